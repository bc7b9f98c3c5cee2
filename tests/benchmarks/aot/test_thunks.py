"""The reader of what the host does for a GPU's program, on listings as XLA writes them."""

from benchmarks.aot import thunks

LISTING = """\
000: kCommandBuffer [source       | next=009 (1)] 
    001: kCopy         [source | sink] kCopy
002: kWhile         [prev=000 (1) | next=356 (1)]   
condition:
    003: kCustomKernel [source       | next=011 (1)] input_reduce_fusion_7 grid: [1, 1, 1]
  body:
    000: kCommandBuffer [source       | next=042 (1)] 
        012: kCopy         [source       | next=013 (1) ] kCopy
        013: kCustomKernel [prev=012 (1) | sink         ] fusion grid: [1, 1, 1]
        018: kConditional  [prev=027 (3) | sink         ]           
          false_branch:
            014: kCustomKernel [source       | next=031 (1)] a grid: [1, 1, 1]
            015: kCustomKernel [prev=030 (1) | next=032 (1)] b grid: [1, 1, 1]
          true_branch:
            016: kCustomKernel [source | sink] c grid: [1, 1, 1]
    019: kWhile         [prev=000 (1) | next=000 (1)]       
condition:
        020: kCustomKernel [source | sink] more grid: [1, 1, 1]
      body:
        021: kCustomKernel [source       | sink        ] one grid: [1, 1, 1]
    022: kConditional   [prev=085 (1) | next=150 (1)]           
      branch_0:
        023: kCopy         [source | sink] kCopy
      branch_1:
        000: kCommandBuffer [source       | next=096 (1)] 
            024: kCopy         [source       | sink        ] kCopy
        025: kWhile         [prev=000 (1) | next=102 (1)]               
condition:
            026: kCustomKernel [source | sink] loop_compare_fusion_1 grid: [1, 1, 1]
          body:
            027: kCustomKernel [source       | sink        ] loop_add_fusion_21 grid: [1, 1, 1]
    028: kGemm [prev=022 (1) | sink        ] kGemm
"""  # noqa: W291
ALONE = """\
000: kCommandBuffer [source | sink] 
    001: kWhile         [source | sink]   
condition:
        002: kCustomKernel [source | sink] less grid: [1, 1, 1]
      body:
        003: kCustomKernel [source | sink] step grid: [1, 1, 1]
"""  # noqa: W291


def test_a_step_has_its_launches_loops_and_branches() -> None:
    program = thunks.read(LISTING)
    step = thunks.step(program)
    assert [thunk.kind for thunk in step.thunks] == ["CommandBuffer", "While", "Conditional", "Gemm"]
    assert thunks.launches(step) == 4
    assert thunks.host_loops(step) == 2 and thunks.host_loops(program) == 3
    assert thunks.host_branches(step) == 1  # the other is in a command buffer


def test_kernels_are_counted_along_the_shortest_branches_and_without_loops() -> None:
    step = thunks.step(thunks.read(LISTING))
    assert thunks.kernels(step) == 2 + 1 + 1 + 1


def test_a_program_that_is_one_command_buffer_needs_no_host() -> None:
    program = thunks.read(ALONE)
    assert thunks.step(program) is program
    assert (thunks.host_loops(program), thunks.launches(program)) == (0, 1)
