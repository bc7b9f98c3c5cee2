"""What every native kernel shares: its entry as an XLA FFI handler, and how the threads of XLA's pool share its work.

A handler's call frame is that of xla/ffi/api/c_api.h, which jaxlib ships, from version 0.3 on.

A thread that looks for the next work for a while before it sleeps gains nothing (tried: the same milliseconds a step),
and costs much where XLA's own code waits for it.
"""

from backend.native.ir import Writer

# What a kernel's threads share, in places of 8 bytes. The first three are changed by all of them, each atomically.
NEXT, DONE, USERS, CHUNK, TOTAL, FIRST = range(6)
"""Items claimed, items done, threads that may still look at the work; items of a chunk, of the whole; the first place
of the kernel's own."""
PLACES = 28
SCHEDULE, COUNT_THREADS = 17, 18
"""Places of these functions in XLA_FFI_Api, in pointers from its start."""
CHUNKS = 3
"""Parts that a thread's share of the work is cut into, so that a thread that comes late takes less of it."""

TYPES = """
%List = type { i64, ptr, i64, ptr, ptr }
%Frame = type { i64, ptr, ptr, ptr, i32, %List, %List }
%Buffer = type { i64, ptr, i32, ptr, i64, ptr }
%Schedule = type { i64, ptr, ptr, ptr, ptr }
%Threads = type { i64, ptr, ptr, ptr }
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare ptr @malloc(i64)
declare void @free(ptr)
"""


THREADS = f"""
define internal void @take_chunks(ptr %work) {{
entry:
  %chunk_place = getelementptr i64, ptr %work, i64 {CHUNK}
  %chunk = load i64, ptr %chunk_place
  %total_place = getelementptr i64, ptr %work, i64 {TOTAL}
  %total = load i64, ptr %total_place
  %done_place = getelementptr i64, ptr %work, i64 {DONE}
  br label %claim
claim:
  %start = atomicrmw add ptr %work, i64 %chunk monotonic
  %some = icmp slt i64 %start, %total
  br i1 %some, label %run, label %end
run:
  %beyond = add i64 %start, %chunk
  %stop = call i64 @llvm.smin.i64(i64 %beyond, i64 %total)
  call void @part(ptr %work, i64 %start, i64 %stop)
  %count = sub i64 %stop, %start
  %before = atomicrmw add ptr %done_place, i64 %count release
  br label %claim
end:
  ret void
}}
define internal void @leave(ptr %work) {{
entry:
  %place = getelementptr i64, ptr %work, i64 {USERS}
  %before = atomicrmw sub ptr %place, i64 1 acq_rel
  %last = icmp eq i64 %before, 1
  br i1 %last, label %free, label %end
free:
  call void @free(ptr %work)
  br label %end
end:
  ret void
}}
define internal void @task(ptr %work) {{
entry:
  call void @take_chunks(ptr %work)
  call void @leave(ptr %work)
  ret void
}}
"""
"""The functions by which threads take part in work; the kernel's own is part(work, start, stop)."""


class Handler:
    """Writes handle(frame): it tells its version where it is asked for, else it computes.

    The calling thread waits only for chunks that other threads have begun: a pool whose threads are all busy delays
    nothing, and their tasks, once they run, find no chunk left. The last thread to leave frees the work.
    """

    def __init__(self, version: int) -> None:
        self.w = w = Writer()
        extension = w.load("ptr", w.value("getelementptr %Frame, ptr %frame, i32 0, i32 1"))
        with w.when(w.value(f"icmp ne ptr {extension}, null")):
            metadata = w.load("ptr", w.at("i8", extension, 24))
            for offset, value in ((24, 0), (28, version), (32, 0)):  # major and minor version, traits
                w.store("i32", str(value), w.at("i8", metadata, offset), 4)
            w.returns("ptr null")
        self._arguments = w.load("ptr", w.value("getelementptr %Frame, ptr %frame, i32 0, i32 5, i32 4"))
        self._results = w.load("ptr", w.value("getelementptr %Frame, ptr %frame, i32 0, i32 6, i32 4"))
        self._work = w.value(f"call ptr @malloc(i64 {8 * PLACES})")

    def argument(self, index: int) -> str:
        """The XLA_FFI_Buffer of an argument."""
        return self.w.load("ptr", self.w.at("ptr", self._arguments, index))

    def result(self, index: int) -> str:
        """The XLA_FFI_Buffer of a result."""
        return self.w.load("ptr", self.w.at("ptr", self._results, index))

    def data(self, buffer: str) -> str:
        """The address of a buffer's first element."""
        return self.w.load("ptr", self.w.value(f"getelementptr %Buffer, ptr {buffer}, i32 0, i32 3"))

    def dimension(self, buffer: str, axis: int) -> str:
        """The size of a buffer along an axis."""
        sizes = self.w.load("ptr", self.w.value(f"getelementptr %Buffer, ptr {buffer}, i32 0, i32 5"))
        return self.w.load("i64", self.w.at("i64", sizes, axis))

    def put(self, place: int, value: str | int, type: str = "i64") -> None:
        """Leave a value in a place of the work."""
        self.w.store(type, str(value), self.w.at("i64", self._work, place))

    def finish(self, total: str, multiple: int, alone: str) -> str:
        """Do `total` items of work, in chunks of a multiple of so many; the function's text.

        alone: i1, whether the calling thread shall do it without others.
        """
        w, work = self.w, self._work
        api = w.load("ptr", w.value("getelementptr %Frame, ptr %frame, i32 0, i32 2"))
        context = w.load("ptr", w.value("getelementptr %Frame, ptr %frame, i32 0, i32 3"))
        count, asked = w.slot("i64"), w.slot("%Threads")
        _fill(w, "%Threads", asked, ("i64", 32), ("ptr", "null"), ("ptr", context), ("ptr", count))
        w.store("i64", "1", count)
        w.value(f"call ptr {w.load('ptr', w.at('ptr', api, COUNT_THREADS))}(ptr {asked})")
        some = w.value(f"select i1 {alone}, i64 1, i64 {w.load('i64', count)}")
        share = w.i64("sdiv", total, w.i64("mul", some, CHUNKS * multiple))
        self.put(CHUNK, w.i64("mul", w.i64("add", share, 1), multiple))
        for place, value in ((TOTAL, total), (NEXT, 0), (DONE, 0), (USERS, some)):
            self.put(place, value)
        schedule = w.slot("%Schedule")
        fields = (("i64", 40), ("ptr", "null"), ("ptr", context), ("ptr", "@task"), ("ptr", work))
        _fill(w, "%Schedule", schedule, *fields)
        function = w.load("ptr", w.at("ptr", api, SCHEDULE))
        with w.loop(1, some, 1):
            w.value(f"call ptr {function}(ptr {schedule})")
        w.emit(f"call void @take_chunks(ptr {work})")
        w.emit("br label %wait")
        w.emit("wait:")
        done = w.value(f"load atomic i64, ptr {w.at('i64', work, DONE)} acquire, align 8")
        w.emit(f"br i1 {w.value(f'icmp sge i64 {done}, {total}')}, label %leave, label %wait")
        w.emit("leave:")
        w.emit(f"call void @leave(ptr {work})")
        w.returns("ptr null")
        return w.function("ptr @handle(ptr %frame)")


def _fill(w: Writer, type: str, address: str, *fields: tuple[str, str | int]) -> None:
    for number, (kind, value) in enumerate(fields):
        place = w.value(f"getelementptr {type}, ptr {address}, i32 0, i32 {number}")
        w.store(kind, str(value), place)
