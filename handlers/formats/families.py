"""The families: how each writes tool calls and reasoning, from its chat template and its own documentation."""

from handlers.formats.syntax import (
    CallSyntax,
    Identifier,
    JsonArguments,
    JsonCall,
    Name,
    Number,
    Optional,
    PythonArguments,
    QuotedArguments,
    ReasoningSyntax,
    Space,
    TaggedArguments,
)

_JSON = JsonArguments()
_QWEN_TAGS = TaggedArguments("<parameter=", ">", "</parameter>", newline=True)
_QWEN_FUNCTION = ("<function=", Name(), ">", Space(), _QWEN_TAGS, "</function>")
_GLM_TAGS = TaggedArguments("<arg_key>", "</arg_key>", "</arg_value>", value_open="<arg_value>")
_DSML_TAGS = TaggedArguments(
    '<｜DSML｜parameter name="', '" string="', "</｜DSML｜parameter>", kinds=(('true">', True), ('false">', False))
)
_DSML_CALL = ('<｜DSML｜invoke name="', Name(), '">', Space(), _DSML_TAGS, "</｜DSML｜invoke>")
_MINIMAX_TAGS = TaggedArguments('<parameter name="', '">', "</parameter>")
_LLAMA_CALL, _LLAMA_BETWEEN = JsonCall(("parameters", "arguments")), (Space(""), ";", Space(" "))
_PYTHON_CALL = (Name(), "(", PythonArguments())
_DEEPSEEK_BEGIN, _DEEPSEEK_END = ("<｜tool▁calls▁begin｜>",), (Space(""), "<｜tool▁calls▁end｜>")
_COMMA = (Space(""), ",", Space(" "))
_MISTRAL = "[TOOL_CALLS]"
_MISTRAL_LIST = CallSyntax(begin=(_MISTRAL, Space(""), "["), call=(JsonCall(),), between=_COMMA, end=(Space(""), "]"))
_MISTRAL_NAMED = (
    CallSyntax(call=(_MISTRAL, Name(), "[ARGS]", _JSON)),
    CallSyntax(call=(_MISTRAL, Name(), "[CALL_ID]", Identifier(), "[ARGS]", _JSON)),
    CallSyntax(call=(_MISTRAL, Name(), _JSON)),
)


def _pythonic(begin: str, end: str) -> CallSyntax:
    return CallSyntax(_PYTHON_CALL, (begin, Space(""), "["), _COMMA, (Space(""), "]", Space(""), end), identifiers=True)


TOOL_SYNTAXES: dict[str, tuple[CallSyntax, ...]] = {
    "hermes": (CallSyntax(("<tool_call>", Space(), JsonCall(), Space(), "</tool_call>")),),
    "qwen3-coder": (
        CallSyntax(("<tool_call>", Space(), *_QWEN_FUNCTION, Space(), "</tool_call>")),
        CallSyntax((*_QWEN_FUNCTION, Space(), Optional("</tool_call>"))),
    ),
    "glm4": (CallSyntax(("<tool_call>", Space(""), Name(), Space(), _GLM_TAGS, "</tool_call>")),),
    "llama3": (
        CallSyntax((_LLAMA_CALL,), between=_LLAMA_BETWEEN, bare=True),
        CallSyntax((_LLAMA_CALL,), begin=("<|python_tag|>", Space("")), between=_LLAMA_BETWEEN),
    ),
    "llama4": (
        _pythonic("<|python_start|>", "<|python_end|>"),
        CallSyntax(_PYTHON_CALL, ("[",), _COMMA, (Space(""), "]"), bare=True, identifiers=True),
        CallSyntax((_LLAMA_CALL,), between=_LLAMA_BETWEEN, bare=True),
    ),
    "lfm2": (_pythonic("<|tool_call_start|>", "<|tool_call_end|>"),),
    "olmo3": (
        CallSyntax(
            _PYTHON_CALL, ("<function_calls>", Space()), (Space(),), (Space(), "</function_calls>"), identifiers=True
        ),
    ),
    "mistral": (*_MISTRAL_NAMED, _MISTRAL_LIST),
    "mistral-list": (_MISTRAL_LIST, *_MISTRAL_NAMED),
    "deepseek-v3": (
        CallSyntax(
            ("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", Name(), Space(), "```json", Space(), _JSON, Space(), "```",
             "<｜tool▁call▁end｜>"),
            begin=_DEEPSEEK_BEGIN, end=_DEEPSEEK_END,
        ),
    ),
    "deepseek-v3.1": (
        CallSyntax(
            ("<｜tool▁call▁begin｜>", Name(), "<｜tool▁sep｜>", _JSON, "<｜tool▁call▁end｜>"),
            begin=_DEEPSEEK_BEGIN, between=(Space(""),), end=_DEEPSEEK_END,
        ),
    ),
    "deepseek-v3.2": tuple(
        CallSyntax(_DSML_CALL, begin=(f"<｜DSML｜{name}>", Space()), end=(Space(), f"</｜DSML｜{name}>"))
        for name in ("function_calls", "tool_calls")
    ),
    "kimi-k2": (
        CallSyntax(
            ("<|tool_call_begin|>", Space(""), Optional("functions."), Name(), ":", Number(), Space(""),
             "<|tool_call_argument_begin|>", Space(""), _JSON, Space(""), "<|tool_call_end|>"),
            begin=("<|tool_calls_section_begin|>",), between=(Space(""),),
            end=(Space(""), "<|tool_calls_section_end|>"), identifiers=True,
        ),
    ),
    "minimax-m2": (
        CallSyntax(
            ('<invoke name="', Name(), '">', Space(), _MINIMAX_TAGS, "</invoke>"),
            begin=("<minimax:tool_call>", Space()), end=(Space(), "</minimax:tool_call>"),
        ),
    ),
    "gemma4": (
        CallSyntax(("<|tool_call>", "call:", Name(), QuotedArguments('<|"|>'), "<tool_call|>"), between=(Space(""),)),
    ),
    "functiongemma": (
        CallSyntax(
            ("<start_function_call>", "call:", Name(), QuotedArguments("<escape>"), "<end_function_call>"),
            between=(Space(""),),
        ),
    ),
    "harmony": (
        CallSyntax(
            ("<|channel|>commentary to=functions.", Name(), " <|constrain|>json<|message|>", _JSON),
            between=("<|call|><|start|>assistant",), identifiers=True,
        ),
    ),
    "none": (),
}  # fmt: skip

REASONING_SYNTAXES: dict[str, ReasoningSyntax | None] = {
    "think": ReasoningSyntax("<think>", "</think>", behind="\n\n"),
    "mistral": ReasoningSyntax("[THINK]", "[/THINK]", anywhere=True),
    "gemma4": ReasoningSyntax("<|channel>thought\n", "<channel|>", anywhere=True),
    "harmony": ReasoningSyntax("<|channel|>analysis<|message|>", "<|end|>", behind="<|start|>assistant<|channel|>"),
    "none": None,
}
