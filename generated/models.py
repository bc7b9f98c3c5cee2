# Generated from openapi.yaml by `nox -s codegen`. Do not edit: change an overlay in openapi/ and run it again.

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictStr, StringConstraints
from typing_extensions import TypeAliasType

EosTokenItem = TypeAliasType("EosTokenItem", Annotated[int, Field(ge=0)])


LogitBiasAdditionalProperty = TypeAliasType(
    "LogitBiasAdditionalProperty", Annotated[StrictFloat, Field(ge=-100.0, le=100.0)]
)


SeedItem = TypeAliasType("SeedItem", Annotated[int, Field(ge=-9223372036854775808, le=18446744073709551615)])


Seed = TypeAliasType(
    "Seed",
    Annotated[
        list[SeedItem],
        Field(
            description="Seed to control random procedure. If nothing is given, random seed is used for sampling, and return the seed along with the generated result. When using the `n` argument, you can pass a list of seed values to control all of the independent generations.",
            max_length=128,
            min_length=1,
            title="Seed",
        ),
    ],
)


Seed1 = TypeAliasType(
    "Seed1",
    Annotated[
        int,
        Field(
            description="Seed to control random procedure. If nothing is given, random seed is used for sampling, and return the seed along with the generated result. When using the `n` argument, you can pass a list of seed values to control all of the independent generations.",
            ge=-9223372036854775808,
            le=18446744073709551615,
            title="Seed",
        ),
    ],
)


class StreamOptions(BaseModel):
    include_usage: Annotated[
        StrictBool | None,
        Field(
            description='When set to `true`,\nthe number of tokens used will be included at the end of the stream result in the form of\n`"usage": {"completion_tokens": number, "prompt_tokens": number, "total_tokens": number}`.\n',
            title="Include Usage",
        ),
    ] = None


class ChatCompleteBodyToolChoiceFunction(BaseModel):
    name: Annotated[
        StrictStr,
        Field(description="The name of the function to be called.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name"),
    ]


class Function(BaseModel):
    description: Annotated[
        StrictStr | None,
        Field(
            description="A description of what the function does, used by the model to choose when and how to call the function.",
            title="Description",
        ),
    ] = None
    name: Annotated[
        StrictStr,
        Field(
            description="The name of the function to be called: letters, digits, `_`, `-`, `.`, `/` and `:`, 128 at most. Where the form in which the model writes calls has no room for the last three, the model is shown another name, and the answer has this one.",
            pattern="^[a-zA-Z0-9_./:-]{1,128}$",
            title="Name",
        ),
    ]
    parameters: Annotated[
        dict[str, Any] | None,
        Field(
            description="The parameters the functions accepts, described as a JSON Schema object. Without it the function has no parameters.",
            title="Parameters",
        ),
    ] = None
    strict: Annotated[
        StrictBool | None,
        Field(
            description="The arguments of a call are always valid by `parameters`, whatever this says, if that can be enforced. If it cannot, the request is an error 422 where `strict` is true or the function must be called (`tool_choice`); else the arguments are any JSON object, and `x-ignored-parameters` names the schema.",
            title="Strict",
        ),
    ] = None


class ResponseFormatJsonObject(BaseModel):
    type: Annotated[
        Literal["json_object"], Field(description="The type of the response format: `json_object`", title="Type")
    ]


class ResponseFormatRegex(BaseModel):
    type: Annotated[Literal["regex"], Field(description="The type of the response format: `regex`", title="Type")]
    schema_: Annotated[
        StrictStr,
        Field(
            alias="schema",
            description="The schema of the output. Lookaheads or lookbehinds (e.g., `\\a`, `\\z`, `^`, `$`, `(?=)`, `(?!)`, `(?<=...)`, `(?<!...)`) are not supported. Group specials (e.g., `\\w`, `\\W`, `\\d`, `\\D`, `\\s`, `\\S`) do not support non-ASCII characters. Unicode escape patterns (e.g., `\\N`, `\\p`, `\\P`) are not supported. Additionally, conditional matching (`(?(`) and back-references can cause inefficiency.",
            title="Schema",
        ),
    ]


class ResponseFormatText(BaseModel):
    type: Annotated[Literal["text"], Field(description="The type of the response format: `text`", title="Type")]


class ResponseFormatJsonSchemaSchema(BaseModel):
    schema_: Annotated[
        dict[str, Any],
        Field(
            alias="schema",
            description="The schema for the response format, described as a JSON Schema object (Draft 2020-12, and what drafts 4 to 7 spell otherwise). Every answer that ends with `stop` is valid by it. A keyword that cannot be enforced is an error 422 that names it and its place. An object schema with `properties` and no `additionalProperties` is closed; properties come in the order of the schema; `$ref` reaches only into the schema itself.",
            title="Schema",
        ),
    ]
    name: Annotated[StrictStr | None, Field(description="A name for the schema. It changes nothing.", title="Name")] = (
        None
    )
    description: Annotated[
        StrictStr | None,
        Field(
            description="What the schema is for. The model does not see it; say it in a message.", title="Description"
        ),
    ] = None
    strict: Annotated[
        StrictBool | None, Field(description="The schema is always enforced, whatever this says.", title="Strict")
    ] = None


class PromptTokensDetails(BaseModel):
    cached_tokens: Annotated[
        int | None, Field(description="Cached tokens present in the prompt.", title="Cached Tokens")
    ] = None


class TextContent(BaseModel):
    type: Annotated[Literal["text"], Field(description="The type of the message content.", title="Type")]
    text: Annotated[StrictStr, Field(description="The text content of the message.", title="Text")]


class AssistantMessageToolCallFunction(BaseModel):
    name: Annotated[StrictStr, Field(description="The name of function", title="Name")]
    arguments: Annotated[
        StrictStr | dict[str, Any] | None,
        Field(
            description="The arguments as the text of a JSON object, or that object. Of other text as much is shown as can be read, and `x-ignored-parameters` names it.",
            title="Arguments",
        ),
    ] = None


class AudioData(BaseModel):
    url: Annotated[StrictStr, Field(description="The URL of the audio.", title="Url")]


class ImageData(BaseModel):
    url: Annotated[StrictStr, Field(description="The URL of the image.", title="Url")]


class VideoData(BaseModel):
    url: Annotated[StrictStr, Field(description="The URL of the video.", title="Url")]


class ChatLogprobsContentTopLogprob(BaseModel):
    token: Annotated[StrictStr, Field(description="The token.", title="Token")]
    logprob: Annotated[StrictFloat, Field(description="The log probability of this token.", title="Logprob")]
    bytes: Annotated[
        list[int] | None,
        Field(
            description="A list of integers representing the UTF-8 bytes representation of the token. Useful in instances where characters are represented by multiple tokens and their byte representations must be combined to generate the correct text representation. Can be `null` if there is no bytes representation for the token.",
            title="Bytes",
        ),
    ] = None


class FunctionResult(BaseModel):
    arguments: Annotated[
        StrictStr,
        Field(
            description="The arguments for calling the function, generated by the model in JSON format.\nEnsure to validate these arguments in your code before invoking the function since the model may not always produce valid JSON.",
            title="Arguments",
        ),
    ]
    name: Annotated[StrictStr, Field(description="The name of the function to call.", title="Name")]


class ResponseFormatGrammar(BaseModel):
    type: Annotated[Literal["grammar"], Field(description="The type of the response format: `grammar`", title="Type")]
    grammar: Annotated[
        StrictStr,
        Field(
            description="A context-free grammar in GBNF (its rule `root` is the whole answer) or in Lark's syntax (its rule `start`). Every answer that ends with `stop` is a text of its language. Recursion must be a repetition or stand between an opening and a closing character; other recursion, and what is not supported, is an error 422 that names the rule and its line.",
            min_length=1,
            title="Grammar",
        ),
    ]
    syntax: Annotated[
        Literal["gbnf", "lark"] | None,
        Field(description="What `grammar` is written in. By default that is told from it.", title="Syntax"),
    ] = None
    max_recursion: Annotated[
        int | None,
        Field(
            description="For recursion that is neither a repetition nor between brackets: how many levels of it, one inside the other, an answer may have. By default such a grammar is an error 422.",
            ge=1,
            le=32,
            title="Max Recursion",
        ),
    ] = None


class CompletionTokensDetails(BaseModel):
    reasoning_tokens: Annotated[
        int | None, Field(description="Tokens that the model drew while reasoning.", title="Reasoning Tokens")
    ] = None


class ToolCallDeltaFunction(BaseModel):
    name: Annotated[StrictStr | None, Field(title="Name")] = None
    arguments: Annotated[StrictStr, Field(description="The next piece of the arguments' JSON text.", title="Arguments")]


class ChatCompletionEvent(BaseModel):
    data: Annotated[
        StrictStr,
        Field(
            description="A `ChatCompletionChunk` as JSON text, or `[DONE]`, or an `Error` where generation failed.",
            title="Data",
        ),
    ]


class ErrorDetail(BaseModel):
    message: Annotated[StrictStr, Field(description="What is wrong, and what to do.", title="Message")]
    type: Annotated[
        StrictStr,
        Field(
            description="`invalid_request_error` for the client's faults, `server_error` for the server's.",
            title="Type",
        ),
    ]
    param: Annotated[
        StrictStr | None,
        Field(description="The path of the field at fault, such as `messages.2.content`.", title="Param"),
    ]
    code: Annotated[
        StrictStr | None, Field(description="A word for programs, such as `model_not_found`.", title="Code")
    ]


class AdapterToLoad(BaseModel):
    name: Annotated[
        StrictStr,
        Field(description="What requests give as `model`.", pattern="^[A-Za-z0-9._/:@+-]{1,256}$", title="Name"),
    ]
    path: Annotated[
        StrictStr | None,
        Field(
            description="The adapter's folder in the server's folder of adapters. By default its name.",
            max_length=1024,
            min_length=1,
            title="Path",
        ),
    ] = None


class LoraAdapterToLoad(BaseModel):
    lora_name: Annotated[
        StrictStr,
        Field(description="What requests give as `model`.", pattern="^[A-Za-z0-9._/:@+-]{1,256}$", title="Lora Name"),
    ]
    lora_path: Annotated[
        StrictStr,
        Field(
            description="The adapter's folder in the server's folder of adapters, also as an absolute path.",
            max_length=1024,
            min_length=1,
            title="Lora Path",
        ),
    ]


class LoraAdapterToUnload(BaseModel):
    lora_name: Annotated[
        StrictStr, Field(description="The adapter's name.", max_length=256, min_length=1, title="Lora Name")
    ]


class AdapterUnloaded(BaseModel):
    id: Annotated[StrictStr, Field(description="The name that no request may give any more.", title="Id")]
    object: Annotated[Literal["model"], Field(title="Object")]
    deleted: Annotated[Literal[True], Field(title="Deleted")]


Input = TypeAliasType(
    "Input",
    Annotated[
        list[StrictStr],
        Field(
            description="A text, or up to 2048, each of which is classified as it would be alone. What the model's tokenizer puts before and behind a text is added.",
            min_length=1,
            title="Input",
        ),
    ],
)


Token = TypeAliasType("Token", Annotated[int, Field(ge=0)])


class ContainerTextClassificationBody(BaseModel):
    model: Annotated[
        StrictStr | None, Field(description="Routes the request to a specific adapter.", title="Model")
    ] = None
    input: Annotated[
        StrictStr | Input | None,
        Field(
            description="A text, or up to 2048, each of which is classified as it would be alone. What the model's tokenizer puts before and behind a text is added.",
            title="Input",
        ),
    ] = None
    tokens: Annotated[
        list[Token] | None,
        Field(
            description="One text as token ids, which nothing is added to, in place of `input`.",
            min_length=1,
            title="Tokens",
        ),
    ] = None


class BaseClassificationData(BaseModel):
    index: Annotated[int, Field(description="Which input it is of, from 0 on.", title="Index")]
    label: Annotated[
        StrictStr,
        Field(
            description="The name of the class with the highest score, by `id2label` of the checkpoint's configuration.",
            title="Label",
        ),
    ]
    num_classes: Annotated[int, Field(description="How many classes there are.", title="Num Classes")]
    probs: Annotated[
        list[StrictFloat],
        Field(
            description="The score of each class, in the order of the checkpoint: probabilities that together are 1, each by itself from 0 to 1 where several may be right or there is one class alone, or numbers of any size of a regression.",
            title="Probs",
        ),
    ]


class TextClassificationUsage(BaseModel):
    prompt_tokens: Annotated[int, Field(description="Tokens of all inputs.", title="Prompt Tokens")]
    total_tokens: Annotated[int, Field(description="The same.", title="Total Tokens")]


class ContainerTextClassificationSuccess(BaseModel):
    data: Annotated[list[BaseClassificationData], Field(description="One for each input, in order.", title="Data")]
    object: Annotated[Literal["list"], Field(title="Object")]
    usage: TextClassificationUsage


PromptItem = TypeAliasType("PromptItem", Annotated[int, Field(ge=0)])


Seed2 = TypeAliasType(
    "Seed2",
    Annotated[
        int,
        Field(
            description="Of the choices of a prompt, one for each, or one from which they count up. By default they are random; each choice has its own.",
            ge=-9223372036854775808,
            le=18446744073709551615,
            title="Seed",
        ),
    ],
)


Seed3Item = TypeAliasType("Seed3Item", Annotated[int, Field(ge=-9223372036854775808, le=18446744073709551615)])


Seed3 = TypeAliasType(
    "Seed3",
    Annotated[
        list[Seed3Item],
        Field(
            description="Of the choices of a prompt, one for each, or one from which they count up. By default they are random; each choice has its own.",
            max_length=128,
            min_length=1,
            title="Seed",
        ),
    ],
)


ForcedOutputToken = TypeAliasType("ForcedOutputToken", Annotated[int, Field(ge=0)])


class TokenSequence(BaseModel):
    tokens: Annotated[list[Token] | None, Field(description="Token ids, at least one.", title="Tokens")] = None


class CompletionsLogprobs(BaseModel):
    text_offset: Annotated[
        list[int],
        Field(description="At which character of the choice's whole text each token begins.", title="Text Offset"),
    ]
    token_logprobs: Annotated[
        list[StrictFloat | None],
        Field(description="Natural logarithms; minus infinity is -9999.", title="Token Logprobs"),
    ]
    tokens: Annotated[
        list[StrictStr],
        Field(
            description="The text of each token; one that is no whole characters as `bytes:\\xe2\\x82`, as OpenAI has it.",
            title="Tokens",
        ),
    ]
    top_logprobs: Annotated[
        list[dict[str, Any] | None],
        Field(
            description="For each token the likeliest in its place by their texts, and itself.", title="Top Logprobs"
        ),
    ]


class CompletionChunkChoice(BaseModel):
    index: Annotated[int, Field(title="Index")]
    text: Annotated[
        StrictStr,
        Field(
            description="What the chunk adds to the text; often nothing, as text comes once it is certain.",
            title="Text",
        ),
    ]
    token: Annotated[
        int | None,
        Field(
            description="The id of a token that was drawn. All of a choice's together are its `tokens`.", title="Token"
        ),
    ] = None
    logprobs: CompletionsLogprobs | None = None
    finish_reason: Annotated[
        Literal["stop", "length"] | None,
        Field(description="Set on the last chunk of a choice, null on the others.", title="Finish Reason"),
    ] = None
    seed: Annotated[int | None, Field(description="The seed of this choice.", title="Seed")] = None


class CompletionEvent(BaseModel):
    data: Annotated[
        StrictStr,
        Field(
            description="A `CompletionChunk` as JSON text, or `[DONE]`, or an `Error` where generation failed.",
            title="Data",
        ),
    ]


Input1 = TypeAliasType(
    "Input1",
    Annotated[
        list[StrictStr],
        Field(
            description="A text, or up to 2048; or one as token ids, or several. What the model's tokenizer puts before and behind a text is added to texts, and nothing to token ids. Each is embedded as it would be alone.",
            min_length=1,
            title="Input",
        ),
    ],
)


Input2Item = TypeAliasType("Input2Item", Annotated[int, Field(ge=0)])


Input2 = TypeAliasType(
    "Input2",
    Annotated[
        list[Input2Item],
        Field(
            description="A text, or up to 2048; or one as token ids, or several. What the model's tokenizer puts before and behind a text is added to texts, and nothing to token ids. Each is embedded as it would be alone.",
            min_length=1,
            title="Input",
        ),
    ],
)


Input3Item = TypeAliasType("Input3Item", Annotated[int, Field(ge=0)])


Input3 = TypeAliasType(
    "Input3",
    Annotated[
        list[list[Input3Item]],
        Field(
            description="A text, or up to 2048; or one as token ids, or several. What the model's tokenizer puts before and behind a text is added to texts, and nothing to token ids. Each is embedded as it would be alone.",
            min_length=1,
            title="Input",
        ),
    ],
)


class EmbeddingsBody(BaseModel):
    model: Annotated[
        StrictStr | None, Field(description="Routes the request to a specific adapter.", title="Model")
    ] = None
    input: Annotated[
        StrictStr | Input1 | Input2 | Input3,
        Field(
            description="A text, or up to 2048; or one as token ids, or several. What the model's tokenizer puts before and behind a text is added to texts, and nothing to token ids. Each is embedded as it would be alone.",
            title="Input",
        ),
    ]
    encoding_format: Annotated[
        Literal["float", "base64"] | None,
        Field(
            description="How an embedding is written: `float`, the default, as a list of numbers, or `base64`, as the bytes of these numbers in 32 bits each, the lowest byte first.",
            title="Encoding Format",
        ),
    ] = None
    dimensions: Annotated[
        int | None,
        Field(
            description="How many numbers an embedding has: its first ones, of length 1 again where the model's embeddings are. By default all. Only models that were trained for it keep what they know in fewer (Matryoshka).",
            ge=1,
            title="Dimensions",
        ),
    ] = None
    prompt_name: Annotated[
        StrictStr | None,
        Field(
            description="Which of the checkpoint's prompts (of `config_sentence_transformers.json`, such as `query`) goes before each text. By default the one that the checkpoint names, or none. Token ids get none.",
            title="Prompt Name",
        ),
    ] = None


class Embedding(BaseModel):
    object: Annotated[Literal["embedding"], Field(title="Object")]
    index: Annotated[int, Field(description="Which input it is of, from 0 on.", title="Index")]
    embedding: Annotated[
        list[StrictFloat] | StrictStr, Field(description="The numbers, or these in base64.", title="Embedding")
    ]


class EmbeddingsSuccess(BaseModel):
    object: Annotated[Literal["list"], Field(title="Object")]
    data: Annotated[list[Embedding], Field(description="One for each input, in order.", title="Data")]
    model: Annotated[StrictStr, Field(description="The name of the model.", title="Model")]
    usage: TextClassificationUsage


class Health(BaseModel):
    status: Annotated[Literal["loading", "ready", "failed", "draining"], Field(title="Status")]


class MessagesSystemTextBlock(BaseModel):
    type: Annotated[Literal["text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class MessagesTextBlock(BaseModel):
    type: Annotated[Literal["text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class MessagesBase64ImageSource(BaseModel):
    type: Annotated[Literal["base64"], Field(title="Type")]
    data: Annotated[StrictStr, Field(min_length=1, title="Data")]
    media_type: Annotated[StrictStr, Field(min_length=1, title="Media Type")]


class MessagesUrlImageSource(BaseModel):
    type: Annotated[Literal["url"], Field(title="Type")]
    url: Annotated[StrictStr, Field(min_length=1, title="Url")]


class MessagesThinkingBlock(BaseModel):
    type: Annotated[Literal["thinking"], Field(title="Type")]
    thinking: Annotated[StrictStr, Field(title="Thinking")]
    signature: Annotated[StrictStr | None, Field(description="It changes nothing.", title="Signature")] = None


class MessagesToolUseBlock(BaseModel):
    type: Annotated[Literal["tool_use"], Field(title="Type")]
    id: Annotated[StrictStr | None, Field(description="What the result of the call names.", title="Id")] = None
    name: Annotated[StrictStr, Field(description="The tool's name.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name")]
    input: Annotated[dict[str, Any], Field(description="The arguments.", title="Input")]


class MessagesToolResultBlock(BaseModel):
    type: Annotated[Literal["tool_result"], Field(title="Type")]
    tool_use_id: Annotated[StrictStr, Field(description="The id of the call.", title="Tool Use Id")]
    content: Annotated[
        StrictStr | list[dict[str, Any]] | None,
        Field(description="A text, or blocks of text and pictures. Texts have nothing between them.", title="Content"),
    ] = None
    is_error: Annotated[
        StrictBool | None,
        Field(
            description="Whether the call failed. The text of the result then begins with `Error:`.", title="Is Error"
        ),
    ] = None


class MessagesSearchResultBlock(BaseModel):
    type: Annotated[Literal["search_result"], Field(title="Type")]
    title: Annotated[StrictStr | None, Field(description="A line before the text.", title="Title")] = None
    source: Annotated[StrictStr | None, Field(description="A line before the text.", title="Source")] = None
    content: Annotated[list[MessagesTextBlock] | None, Field(title="Content")] = None


class MessagesCompatibilityBlock(BaseModel):
    type: Annotated[
        Literal[
            "redacted_thinking",
            "server_tool_use",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "container_upload",
            "mcp_tool_use",
            "mcp_tool_result",
            "compaction",
        ],
        Field(title="Type"),
    ]


class MessagesToolDefinition(BaseModel):
    name: Annotated[StrictStr, Field(description="The tool's name.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name")]
    type: Annotated[
        StrictStr | None,
        Field(
            description="`custom`, or a tool that Anthropic's models or servers know by themselves. Without `input_schema` such a tool is left out, and named in `x-ignored-parameters`.",
            title="Type",
        ),
    ] = None
    description: Annotated[StrictStr | None, Field(description="What the tool does.", title="Description")] = None
    input_schema: Annotated[
        dict[str, Any] | None,
        Field(
            description="A JSON Schema of the tool's arguments. Without it a `custom` tool has none.",
            title="Input Schema",
        ),
    ] = None
    strict: Annotated[
        StrictBool | None,
        Field(
            description="Whether a schema that cannot be enforced is an error. See `strict` of a chat's functions.",
            title="Strict",
        ),
    ] = None


class MessagesToolChoice(BaseModel):
    type: Annotated[
        Literal["auto", "any", "tool", "none"],
        Field(
            description="The model decides; it must call a tool; it must call the tool `name`; it calls none.",
            title="Type",
        ),
    ]
    name: Annotated[
        StrictStr | None,
        Field(description="Of the tool that must be called.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name"),
    ] = None
    disable_parallel_tool_use: Annotated[
        StrictBool | None,
        Field(description="Whether an answer has one call at most.", title="Disable Parallel Tool Use"),
    ] = None


class MessagesThinkingConfig(BaseModel):
    type: Annotated[
        Literal["enabled", "disabled", "adaptive", "between_tools"],
        Field(description="The model reasons; it does not; it does as far as it sees fit.", title="Type"),
    ]
    budget_tokens: Annotated[
        int | None,
        Field(
            description="Most tokens of reasoning; enforced to the token. By default any number.",
            ge=1,
            title="Budget Tokens",
        ),
    ] = None
    display: Annotated[
        Literal["summarized", "omitted"] | None,
        Field(
            description="With `omitted` reasoning is not sent, though counted. It is never summarised.", title="Display"
        ),
    ] = None


class MessagesOutputFormat(BaseModel):
    type: Annotated[Literal["json_schema"] | None, Field(title="Type")] = None
    schema_: Annotated[
        dict[str, Any] | None,
        Field(
            alias="schema",
            description="A JSON Schema. Every answer that ends with `end_turn` is valid by it.",
            title="Schema",
        ),
    ] = None


class MessagesResponseTextBlock(BaseModel):
    type: Annotated[Literal["text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class MessagesResponseThinkingBlock(BaseModel):
    type: Annotated[Literal["thinking"], Field(title="Type")]
    thinking: Annotated[StrictStr, Field(title="Thinking")]
    signature: Annotated[StrictStr, Field(description="A digest of the text.", title="Signature")]


class MessagesResponseToolUseBlock(BaseModel):
    type: Annotated[Literal["tool_use"], Field(title="Type")]
    id: Annotated[StrictStr, Field(title="Id")]
    name: Annotated[StrictStr, Field(title="Name")]
    input: Annotated[dict[str, Any], Field(title="Input")]


class MessagesOutputTokensDetails(BaseModel):
    thinking_tokens: Annotated[int, Field(ge=0, title="Thinking Tokens")]


class MessagesTokenCount(BaseModel):
    input_tokens: Annotated[int, Field(ge=0, title="Input Tokens")]


class MessagesErrorObject(BaseModel):
    type: Annotated[StrictStr, Field(title="Type")]
    message: Annotated[StrictStr, Field(title="Message")]
    param: Annotated[
        StrictStr | None,
        Field(description="The path of the field at fault, such as `messages.2.content`. An extension.", title="Param"),
    ] = None
    code: Annotated[
        StrictStr | None,
        Field(description="A word for programs, such as `model_not_found`. An extension.", title="Code"),
    ] = None


class MessagesStreamTextDelta(BaseModel):
    type: Annotated[Literal["text_delta"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class MessagesStreamThinkingDelta(BaseModel):
    type: Annotated[Literal["thinking_delta"], Field(title="Type")]
    thinking: Annotated[StrictStr, Field(title="Thinking")]


class MessagesStreamSignatureDelta(BaseModel):
    type: Annotated[Literal["signature_delta"], Field(title="Type")]
    signature: Annotated[StrictStr, Field(title="Signature")]


class MessagesStreamInputJsonDelta(BaseModel):
    type: Annotated[Literal["input_json_delta"], Field(title="Type")]
    partial_json: Annotated[
        StrictStr, Field(description="The next piece of the arguments' JSON text.", title="Partial Json")
    ]


class MessagesStreamContentBlockStop(BaseModel):
    type: Annotated[Literal["content_block_stop"], Field(title="Type")]
    index: Annotated[int, Field(title="Index")]


class MessagesStreamMessageDeltaPayload(BaseModel):
    stop_reason: Annotated[
        Literal["end_turn", "max_tokens", "tool_use", "stop_sequence"] | None,
        Field(
            description="Why the answer ends. With `end_turn` a format that was asked for is kept; with `tool_use` all calls are complete; `max_tokens` says that a limit cut it, `stop_sequence` that one of `stop_sequences` did. Null before the end.",
            title="MessagesStopReason",
        ),
    ] = None
    stop_sequence: Annotated[StrictStr | None, Field(title="Stop Sequence")] = None


class MessagesStreamMessageStop(BaseModel):
    type: Annotated[Literal["message_stop"], Field(title="Type")]


class ContainerMessagesEvent(BaseModel):
    event: Annotated[StrictStr, Field(description="The `type` of the data.", title="Event")]
    data: Annotated[StrictStr, Field(description="A `MessagesStreamEvent` as JSON text.", title="Data")]


class Model(BaseModel):
    id: Annotated[StrictStr, Field(description="A name that a request's `model` may give.", title="Id")]
    object: Annotated[Literal["model"], Field(title="Object")]
    created: Annotated[
        int, Field(description="The Unix timestamp (in seconds) of the server's start.", title="Created")
    ]
    owned_by: Annotated[StrictStr, Field(title="Owned By")]
    task: Annotated[
        Literal["generate", "embed", "classify"] | None,
        Field(
            description="What the checkpoint is for: `generate` is served by chats, messages, responses and completions, `embed` by `/v1/embeddings`, `classify` by `/classify`. Absent while it is being loaded.",
            title="Task",
        ),
    ] = None
    input_modalities: Annotated[
        list[Literal["text", "image", "audio", "video"]] | None,
        Field(description="What messages may have. Absent while the model is loading.", title="Input Modalities"),
    ] = None
    parent: Annotated[
        StrictStr | None, Field(description="Of an adapter, the model that it changes.", title="Parent")
    ] = None


class ModelList(BaseModel):
    object: Annotated[Literal["list"], Field(title="Object")]
    data: Annotated[list[Model], Field(title="Data")]


class ResponsesStreamOptions(BaseModel):
    include_obfuscation: Annotated[
        StrictBool | None,
        Field(
            description="Nothing is added to events to hide their length, so that true has no effect.",
            title="Include Obfuscation",
        ),
    ] = None


class ResponsesTextFormatText(BaseModel):
    type: Annotated[Literal["text"], Field(title="Type")]


class ResponsesTextFormatJsonObject(BaseModel):
    type: Annotated[Literal["json_object"], Field(title="Type")]


class ResponsesTextFormatJsonSchema(BaseModel):
    type: Annotated[Literal["json_schema"], Field(title="Type")]
    name: Annotated[StrictStr, Field(description="A name for the schema. It changes nothing.", title="Name")]
    schema_: Annotated[
        dict[str, Any],
        Field(alias="schema", description="A JSON Schema, enforced as `response_format` is in a chat.", title="Schema"),
    ]
    description: Annotated[
        StrictStr | None,
        Field(
            description="What the schema is for. The model does not see it; say it in a message.", title="Description"
        ),
    ] = None
    strict: Annotated[
        StrictBool | None,
        Field(
            description="The schema is always enforced, whatever this says. Where it is true, a keyword that cannot be enforced is an error, and not only named.",
            title="Strict",
        ),
    ] = None


class ResponsesReasoningConfig(BaseModel):
    effort: Annotated[
        Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultracode"] | None,
        Field(description="As `reasoning_effort` in a chat; `ultracode` is the highest level.", title="Effort"),
    ] = None
    summary: Annotated[
        Literal["auto", "concise", "detailed"] | None,
        Field(
            description="The reasoning comes as `summary` in place of `content`. Nobody summarises it, so that `concise` is named as ignored.",
            title="Summary",
        ),
    ] = None
    generate_summary: Annotated[
        Literal["auto", "concise", "detailed"] | None,
        Field(description="The old name of `summary`.", title="Generate Summary"),
    ] = None


class ResponsesError(BaseModel):
    code: Annotated[Literal["server_error", "rate_limit_exceeded", "invalid_prompt"], Field(title="Code")]
    message: Annotated[StrictStr, Field(title="Message")]


class ResponsesIncompleteDetails(BaseModel):
    reason: Annotated[
        Literal["max_output_tokens"],
        Field(description="Its tokens, or those of the context, were used up.", title="Reason"),
    ]


class ResponsesInputTokensDetails(BaseModel):
    cached_tokens: Annotated[int, Field(title="Cached Tokens")]


class ResponsesOutputTokensDetails(BaseModel):
    reasoning_tokens: Annotated[int, Field(title="Reasoning Tokens")]


class ResponsesDeleted(BaseModel):
    id: Annotated[StrictStr, Field(title="Id")]
    object: Annotated[Literal["response"], Field(title="Object")]
    deleted: Annotated[Literal[True], Field(title="Deleted")]


class ResponsesInputTokens(BaseModel):
    object: Annotated[Literal["response.input_tokens"], Field(title="Object")]
    input_tokens: Annotated[
        int,
        Field(
            description="The tokens of the prompt, those of responses that it follows included.", title="Input Tokens"
        ),
    ]


class ResponsesInputText(BaseModel):
    type: Annotated[Literal["input_text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class ResponsesInputImage(BaseModel):
    type: Annotated[Literal["input_image"], Field(title="Type")]
    image_url: Annotated[
        StrictStr, Field(description="The address of a picture, for models that take pictures.", title="Image Url")
    ]


class ResponsesOutputText(BaseModel):
    type: Annotated[Literal["output_text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]
    annotations: Annotated[
        list[dict[str, Any]] | None,
        Field(description="There are none; in a request it changes nothing.", title="Annotations"),
    ] = None
    logprobs: Annotated[
        list[dict[str, Any]] | None,
        Field(
            description="The log-probability of each token, where `include` asks for it; in a request it changes nothing.",
            title="Logprobs",
        ),
    ] = None


class ResponsesRefusal(BaseModel):
    type: Annotated[Literal["refusal"], Field(title="Type")]
    refusal: Annotated[StrictStr, Field(title="Refusal")]


class ResponsesFunctionCall(BaseModel):
    type: Annotated[Literal["function_call"], Field(title="Type")]
    id: Annotated[
        StrictStr | None,
        Field(description="The name of a stored item, for references to it. It changes nothing.", title="Id"),
    ] = None
    call_id: Annotated[StrictStr, Field(description="What the result of the call refers to.", title="Call Id")]
    name: Annotated[StrictStr, Field(description="The name of the function.", title="Name")]
    namespace: Annotated[
        StrictStr | None,
        Field(description="The name of the namespace that has the function, if one does.", title="Namespace"),
    ] = None
    arguments: Annotated[StrictStr, Field(description="The arguments as the text of a JSON object.", title="Arguments")]
    status: Annotated[
        Literal["in_progress", "completed", "incomplete"] | None,
        Field(description="What a response said of the item. It changes nothing.", title="Status"),
    ] = None


class ResponsesCustomToolCall(BaseModel):
    type: Annotated[Literal["custom_tool_call"], Field(title="Type")]
    id: Annotated[
        StrictStr | None,
        Field(description="The name of a stored item, for references to it. It changes nothing.", title="Id"),
    ] = None
    call_id: Annotated[StrictStr, Field(description="What the result of the call refers to.", title="Call Id")]
    name: Annotated[StrictStr, Field(description="The name of the tool.", title="Name")]
    namespace: Annotated[
        StrictStr | None,
        Field(description="The name of the namespace that has the tool, if one does.", title="Namespace"),
    ] = None
    input: Annotated[StrictStr, Field(description="The text that the tool was given.", title="Input")]
    status: Annotated[
        Literal["in_progress", "completed", "incomplete"] | None,
        Field(description="What a response said of the item. It changes nothing.", title="Status"),
    ] = None


class ResponsesReasoningSummaryText(BaseModel):
    type: Annotated[Literal["summary_text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class ResponsesReasoningText(BaseModel):
    type: Annotated[Literal["reasoning_text"], Field(title="Type")]
    text: Annotated[StrictStr, Field(title="Text")]


class ResponsesItemReference(BaseModel):
    type: Annotated[Literal["item_reference"], Field(title="Type")]
    id: Annotated[StrictStr, Field(description="The `id` of an item of a stored response.", title="Id")]


class ResponsesHostedItem(BaseModel):
    type: Annotated[
        Literal[
            "web_search_call",
            "file_search_call",
            "computer_call",
            "computer_call_output",
            "image_generation_call",
            "code_interpreter_call",
            "local_shell_call",
            "local_shell_call_output",
            "shell_call",
            "shell_call_output",
            "apply_patch_call",
            "apply_patch_call_output",
            "mcp_list_tools",
            "mcp_approval_request",
            "mcp_approval_response",
            "mcp_call",
            "tool_search_call",
            "tool_search_output",
        ],
        Field(title="Type"),
    ]


class ResponsesCustomToolText(BaseModel):
    type: Annotated[Literal["text"], Field(title="Type")]


class ResponsesCustomToolGrammar(BaseModel):
    type: Annotated[Literal["grammar"], Field(title="Type")]
    syntax: Annotated[Literal["lark", "regex"], Field(title="Syntax")]
    definition: Annotated[
        StrictStr,
        Field(
            description="A grammar in Lark's syntax, as `response_format` of type `grammar` has it in a chat, or a regular expression of the whole input, as that of type `regex` has it. The model is shown it too.",
            title="Definition",
        ),
    ]


class ResponsesHostedTool(BaseModel):
    type: Annotated[
        Literal[
            "web_search",
            "web_search_2025_08_26",
            "web_search_preview",
            "web_search_preview_2025_03_11",
            "file_search",
            "computer",
            "computer_use_preview",
            "code_interpreter",
            "image_generation",
            "mcp",
            "local_shell",
            "shell",
            "apply_patch",
            "tool_search",
            "programmatic_tool_calling",
        ],
        Field(title="Type"),
    ]


class ResponsesToolChoiceFunction(BaseModel):
    type: Annotated[Literal["function"], Field(title="Type")]
    name: Annotated[StrictStr, Field(description="The function that must be called.", title="Name")]


class ResponsesToolChoiceCustom(BaseModel):
    type: Annotated[Literal["custom"], Field(title="Type")]
    name: Annotated[StrictStr, Field(description="The custom tool that must be called.", title="Name")]


class ContainerResponsesStreamSuccess(BaseModel):
    event: Annotated[StrictStr | None, Field(description="The `type` of the event.", title="Event")] = None
    data: Annotated[StrictStr, Field(description="A `ResponsesStreamEvent` as JSON text.", title="Data")]


class ResponsesStreamError(BaseModel):
    type: Annotated[Literal["error"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    code: Annotated[StrictStr | None, Field(title="Code")]
    message: Annotated[StrictStr, Field(title="Message")]
    param: Annotated[StrictStr | None, Field(title="Param")]
    error: ErrorDetail


class ResponsesStreamContentPartAdded(BaseModel):
    type: Annotated[Literal["response.content_part.added"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    content_index: Annotated[int, Field(title="Content Index")]
    part: Annotated[
        ResponsesOutputText | ResponsesReasoningText, Field(discriminator="type", title="ResponsesContentPart")
    ]


class ResponsesStreamContentPartDone(BaseModel):
    type: Annotated[Literal["response.content_part.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    content_index: Annotated[int, Field(title="Content Index")]
    part: Annotated[
        ResponsesOutputText | ResponsesReasoningText, Field(discriminator="type", title="ResponsesContentPart")
    ]


class ResponsesStreamOutputTextDelta(BaseModel):
    type: Annotated[Literal["response.output_text.delta"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    content_index: Annotated[int, Field(title="Content Index")]
    delta: Annotated[StrictStr, Field(title="Delta")]
    logprobs: Annotated[list[dict[str, Any]], Field(title="Logprobs")]


class ResponsesStreamOutputTextDone(BaseModel):
    type: Annotated[Literal["response.output_text.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    content_index: Annotated[int, Field(title="Content Index")]
    text: Annotated[StrictStr, Field(title="Text")]
    logprobs: Annotated[list[dict[str, Any]], Field(title="Logprobs")]


class ResponsesStreamReasoningTextDelta(BaseModel):
    type: Annotated[Literal["response.reasoning_text.delta"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    content_index: Annotated[int, Field(title="Content Index")]
    delta: Annotated[StrictStr, Field(title="Delta")]


class ResponsesStreamReasoningTextDone(BaseModel):
    type: Annotated[Literal["response.reasoning_text.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    content_index: Annotated[int, Field(title="Content Index")]
    text: Annotated[StrictStr, Field(title="Text")]


class ResponsesStreamReasoningSummaryPartAdded(BaseModel):
    type: Annotated[Literal["response.reasoning_summary_part.added"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    summary_index: Annotated[int, Field(title="Summary Index")]
    part: ResponsesReasoningSummaryText


class ResponsesStreamReasoningSummaryPartDone(BaseModel):
    type: Annotated[Literal["response.reasoning_summary_part.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    summary_index: Annotated[int, Field(title="Summary Index")]
    part: ResponsesReasoningSummaryText


class ResponsesStreamReasoningSummaryTextDelta(BaseModel):
    type: Annotated[Literal["response.reasoning_summary_text.delta"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    summary_index: Annotated[int, Field(title="Summary Index")]
    delta: Annotated[StrictStr, Field(title="Delta")]


class ResponsesStreamReasoningSummaryTextDone(BaseModel):
    type: Annotated[Literal["response.reasoning_summary_text.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    summary_index: Annotated[int, Field(title="Summary Index")]
    text: Annotated[StrictStr, Field(title="Text")]


class ResponsesStreamFunctionCallArgumentsDelta(BaseModel):
    type: Annotated[Literal["response.function_call_arguments.delta"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    delta: Annotated[StrictStr, Field(title="Delta")]


class ResponsesStreamFunctionCallArgumentsDone(BaseModel):
    type: Annotated[Literal["response.function_call_arguments.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    arguments: Annotated[StrictStr, Field(title="Arguments")]
    name: Annotated[StrictStr, Field(title="Name")]


class ResponsesStreamCustomToolCallInputDelta(BaseModel):
    type: Annotated[Literal["response.custom_tool_call_input.delta"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    delta: Annotated[StrictStr, Field(title="Delta")]


class ResponsesStreamCustomToolCallInputDone(BaseModel):
    type: Annotated[Literal["response.custom_tool_call_input.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    item_id: Annotated[StrictStr, Field(title="Item Id")]
    output_index: Annotated[int, Field(title="Output Index")]
    input: Annotated[StrictStr, Field(title="Input")]


class ContainerTokenizationBody(BaseModel):
    model: Annotated[
        StrictStr | None, Field(description="Routes the request to a specific adapter.", title="Model")
    ] = None
    prompt: Annotated[
        StrictStr,
        Field(
            description="The text. Control tokens of the model that stand in it are these tokens. The tokens with which the model's tokenizer begins a text go before it, unless it begins with them already.",
            title="Prompt",
        ),
    ]


class ContainerTokenizationSuccess(BaseModel):
    tokens: Annotated[
        list[int], Field(description="The token ids that `/v1/completions` makes of the same prompt.", title="Tokens")
    ]


class ContainerDetokenizationBody(BaseModel):
    model: Annotated[
        StrictStr | None, Field(description="Routes the request to a specific adapter.", title="Model")
    ] = None
    tokens: Annotated[list[Token], Field(description="The token ids.", title="Tokens")]


class ContainerDetokenizationSuccess(BaseModel):
    text: Annotated[StrictStr, Field(description="Their text, with control tokens by their names.", title="Text")]


class ContainerChatRenderSuccess(BaseModel):
    text: Annotated[
        StrictStr,
        Field(
            description="The prompt that the model's chat template makes of messages and tools. Control tokens of the model that stand in a message are text there; in this text nothing tells them from others.",
            title="Text",
        ),
    ]
    tokens: Annotated[
        list[int],
        Field(
            description="The prompt's token ids. `/v1/completions` continues them as a chat is answered.",
            title="Tokens",
        ),
    ]


class RefusalContent(BaseModel):
    type: Annotated[Literal["refusal"], Field(title="Type")]
    refusal: Annotated[StrictStr, Field(title="Refusal")]


class AssistantFunctionCall(BaseModel):
    name: Annotated[StrictStr, Field(description="The name of the function.", title="Name")]
    arguments: Annotated[
        StrictStr | dict[str, Any] | None, Field(description="As in `tool_calls`.", title="Arguments")
    ] = None


class InputAudioData(BaseModel):
    data: Annotated[StrictStr, Field(description="The file in base64.", title="Data")]
    format: Annotated[
        StrictStr,
        Field(
            description="The format of the file, such as `wav` or `mp3`; every other that `audio_url` takes is taken too. It must be that of the bytes.",
            title="Format",
        ),
    ]


class FunctionChoice(BaseModel):
    name: Annotated[
        StrictStr,
        Field(description="The name of the function to be called.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name"),
    ]


class FunctionCallResult(BaseModel):
    name: Annotated[StrictStr, Field(title="Name")]
    arguments: Annotated[StrictStr, Field(description="The arguments as JSON text.", title="Arguments")]


class MessagesTextSource(BaseModel):
    type: Annotated[Literal["text"], Field(title="Type")]
    data: Annotated[StrictStr, Field(title="Data")]
    media_type: Annotated[StrictStr | None, Field(description="It changes nothing.", title="Media Type")] = None


class MessagesContentSource(BaseModel):
    type: Annotated[Literal["content"], Field(title="Type")]
    content: Annotated[StrictStr | list[MessagesTextBlock], Field(title="Content")]


class ChatCompleteBodyToolChoice(BaseModel):
    type: Annotated[
        Literal["function"],
        Field(description="The type of the tool. Currently, only `function` is supported.", title="Type"),
    ]
    function: ChatCompleteBodyToolChoiceFunction


class Tool(BaseModel):
    type: Annotated[
        Literal["function"],
        Field(description="The type of the tool. Currently, only `function` is supported.", title="Type"),
    ]
    function: Function


class SystemMessage(BaseModel):
    role: Annotated[Literal["system"], Field(description="The role of the messages author.", title="Role")]
    name: Annotated[
        StrictStr | None,
        Field(
            description="The name for the participant to distinguish between participants with the same role.",
            title="Name",
        ),
    ] = None
    content: Annotated[
        StrictStr | list[TextContent],
        Field(description="The content of system message, or parts of it with nothing between them.", title="Content"),
    ]


class ToolMessage(BaseModel):
    role: Annotated[Literal["tool"], Field(description="The role of the messages author.", title="Role")]
    tool_call_id: Annotated[
        StrictStr, Field(description="The ID of tool call corresponding to this message.", title="Tool Call Id")
    ]
    name: Annotated[
        StrictStr | None,
        Field(description="An optional name of the tool call corresponding to this message.", title="Name"),
    ] = None
    content: Annotated[
        StrictStr | list[TextContent],
        Field(
            description="The content of tool message that contains the result of tool calling, or parts of it.",
            title="Content",
        ),
    ]


class ResponseFormatJsonSchema(BaseModel):
    type: Annotated[
        Literal["json_schema"], Field(description="The type of the response format: `json_schema`", title="Type")
    ]
    json_schema: ResponseFormatJsonSchemaSchema


class ChatUsage(BaseModel):
    prompt_tokens: Annotated[
        int, Field(description="Number of tokens in the prompt.", examples=[5], title="Prompt Tokens")
    ]
    completion_tokens: Annotated[
        int,
        Field(
            description="Number of tokens in the generated chat completions.", examples=[7], title="Completion Tokens"
        ),
    ]
    total_tokens: Annotated[
        int,
        Field(
            description="Total number of tokens used in the request (`prompt_tokens` + `completion_tokens`).",
            examples=[12],
            title="Total Tokens",
        ),
    ]
    prompt_tokens_details: Annotated[
        PromptTokensDetails | None, Field(description="Breakdown of tokens used in the prompt.")
    ] = None
    completion_tokens_details: Annotated[
        CompletionTokensDetails | None, Field(description="Breakdown of tokens used in the completion.")
    ] = None


class AssistantMessageToolCall(BaseModel):
    id: Annotated[StrictStr, Field(description="The ID of tool call.", title="Id")]
    type: Annotated[Literal["function"], Field(description="The type of tool call.", title="Type")]
    function: Annotated[AssistantMessageToolCallFunction, Field(description="The function specification")]


class AudioContent(BaseModel):
    type: Annotated[Literal["audio_url"], Field(description="The type of the message content.", title="Type")]
    audio_url: Annotated[AudioData, Field(description="The audio URL data.")]


class ImageContent(BaseModel):
    type: Annotated[Literal["image_url"], Field(description="The type of the message content.", title="Type")]
    image_url: Annotated[ImageData, Field(description="The image URL data.")]


class VideoContent(BaseModel):
    type: Annotated[Literal["video_url"], Field(description="The type of the message content.", title="Type")]
    video_url: Annotated[VideoData, Field(description="The video URL data.")]


class ChatLogprobsContent(BaseModel):
    token: Annotated[StrictStr, Field(description="The token.", title="Token")]
    logprob: Annotated[StrictFloat, Field(description="The log probability of this token.", title="Logprob")]
    bytes: Annotated[
        list[int] | None,
        Field(
            description="A list of integers representing the UTF-8 bytes representation of the token. Useful in instances where characters are represented by multiple tokens and their byte representations must be combined to generate the correct text representation. Can be `null` if there is no bytes representation for the token.",
            title="Bytes",
        ),
    ] = None
    top_logprobs: Annotated[
        list[ChatLogprobsContentTopLogprob],
        Field(
            description="List of the most likely tokens and their log probability, at this token position.",
            title="Top Logprobs",
        ),
    ]


class ToolCallResult(BaseModel):
    type: Annotated[Literal["function"], Field(description="The type of the tool.", title="Type")]
    id: Annotated[StrictStr, Field(description="The ID of the tool call.", title="Id")]
    function: FunctionResult


class ToolCallDelta(BaseModel):
    index: Annotated[int, Field(description="The index of the call within its message.", title="Index")]
    type: Annotated[Literal["function"], Field(title="Type")]
    id: Annotated[StrictStr | None, Field(title="Id")] = None
    function: ToolCallDeltaFunction


class Error(BaseModel):
    message: Annotated[StrictStr, Field(description="The same text as `error.message`.", title="Message")]
    error: ErrorDetail


class CompletionsChoice(BaseModel):
    index: Annotated[int, Field(title="Index")]
    text: Annotated[StrictStr, Field(title="Text")]
    logprobs: CompletionsLogprobs | None = None
    seed: Annotated[
        int,
        Field(
            description="The seed this choice was drawn with. The same seed and parameters draw the same choice again.",
            title="Seed",
        ),
    ]
    finish_reason: Annotated[
        Literal["stop", "length"],
        Field(
            description="`length` where a limit cut the answer, or a stop phrase one of a `response_format`.",
            title="Finish Reason",
        ),
    ]
    tokens: Annotated[
        list[int],
        Field(
            description="The ids of all tokens that were drawn, those of a stop phrase and an end token included.",
            title="Tokens",
        ),
    ]


class CompletionChunk(BaseModel):
    id: Annotated[StrictStr, Field(description="A unique ID of the completion, the same in every chunk.", title="Id")]
    object: Annotated[Literal["text_completion"], Field(title="Object")]
    created: Annotated[int, Field(description="The Unix timestamp (in seconds) of the completion.", title="Created")]
    model: Annotated[StrictStr | None, Field(description="The model that generates the completion.", title="Model")] = (
        None
    )
    choices: Annotated[list[CompletionChunkChoice], Field(description="Empty on the usage chunk.", title="Choices")]
    usage: Annotated[ChatUsage | None, Field(description="Set on the usage chunk, null on the others.")] = None


class Unhealthy(Error, Health):
    pass


class MessagesOutputConfig(BaseModel):
    effort: Annotated[
        Literal["minimal", "low", "medium", "high", "xhigh", "max", "ultracode", "none"] | None,
        Field(description="The nearest level that the model's chat template knows is taken.", title="Effort"),
    ] = None
    format: Annotated[MessagesOutputFormat | None, Field(description="The form of the answer.")] = None


class MessagesUsage(BaseModel):
    input_tokens: Annotated[
        int,
        Field(
            description="Tokens of the prompt but for those of `cache_read_input_tokens`.", ge=0, title="Input Tokens"
        ),
    ]
    output_tokens: Annotated[int, Field(ge=0, title="Output Tokens")]
    cache_read_input_tokens: Annotated[
        int | None,
        Field(
            description="Tokens of the prompt that were computed before. Absent where the server does not report it.",
            ge=0,
            title="Cache Read Input Tokens",
        ),
    ] = None
    cache_creation_input_tokens: Annotated[
        Literal[0] | None,
        Field(
            description="Always 0, since nothing is kept on request; clients add it up.",
            title="Cache Creation Input Tokens",
        ),
    ] = None
    output_tokens_details: MessagesOutputTokensDetails | None = None


class MessagesErrorResponse(BaseModel):
    type: Annotated[Literal["error"], Field(title="Type")]
    error: MessagesErrorObject
    request_id: Annotated[
        StrictStr | None,
        Field(description="The request's `X-Request-Id`, or the id that the server gave it.", title="Request Id"),
    ] = None


class MessagesStreamContentBlockStart(BaseModel):
    type: Annotated[Literal["content_block_start"], Field(title="Type")]
    index: Annotated[int, Field(title="Index")]
    content_block: Annotated[
        MessagesResponseThinkingBlock | MessagesResponseTextBlock | MessagesResponseToolUseBlock,
        Field(discriminator="type", title="MessagesResponseContentBlock"),
    ]


class MessagesStreamMessageDelta(BaseModel):
    type: Annotated[Literal["message_delta"], Field(title="Type")]
    delta: MessagesStreamMessageDeltaPayload
    usage: MessagesUsage


class ResponsesUsage(BaseModel):
    input_tokens: Annotated[int, Field(title="Input Tokens")]
    input_tokens_details: Annotated[
        ResponsesInputTokensDetails | None,
        Field(description="Absent where the server does not tell how much of a prompt was cached."),
    ] = None
    output_tokens: Annotated[int, Field(title="Output Tokens")]
    output_tokens_details: ResponsesOutputTokensDetails
    total_tokens: Annotated[int, Field(title="Total Tokens")]


class ResponsesOutputMessage(BaseModel):
    type: Annotated[Literal["message"], Field(title="Type")]
    id: Annotated[StrictStr, Field(title="Id")]
    role: Annotated[Literal["assistant"], Field(title="Role")]
    status: Annotated[Literal["in_progress", "completed", "incomplete"], Field(title="Status")]
    content: Annotated[list[ResponsesOutputText], Field(title="Content")]


class ResponsesCustomToolCallOutput(BaseModel):
    type: Annotated[Literal["custom_tool_call_output"], Field(title="Type")]
    id: Annotated[
        StrictStr | None,
        Field(description="The name of a stored item, for references to it. It changes nothing.", title="Id"),
    ] = None
    call_id: Annotated[StrictStr, Field(description="That of the call.", title="Call Id")]
    output: Annotated[
        StrictStr | list[Annotated[ResponsesInputText | ResponsesInputImage, Field(discriminator="type")]],
        Field(
            description="What the tool returned, as a text or parts of it with nothing between them.", title="Output"
        ),
    ]
    status: Annotated[
        Literal["in_progress", "completed", "incomplete"] | None,
        Field(description="What a response said of the item. It changes nothing.", title="Status"),
    ] = None


class ResponsesReasoningItem(BaseModel):
    type: Annotated[Literal["reasoning"], Field(title="Type")]
    id: Annotated[
        StrictStr | None,
        Field(description="The name of a stored item, for references to it. It changes nothing.", title="Id"),
    ] = None
    summary: Annotated[list[ResponsesReasoningSummaryText], Field(title="Summary")]
    content: Annotated[list[ResponsesReasoningText] | None, Field(title="Content")] = None
    encrypted_content: Annotated[
        StrictStr | None,
        Field(
            description="The same reasoning in a form that only this server reads. It keeps nothing secret: the reasoning is in `summary` or `content` as well. What another server made is named as ignored.",
            title="Encrypted Content",
        ),
    ] = None
    status: Annotated[
        Literal["in_progress", "completed", "incomplete"] | None,
        Field(description="What a response said of the item. It changes nothing.", title="Status"),
    ] = None


class ResponsesFunctionTool(BaseModel):
    type: Annotated[Literal["function"], Field(title="Type")]
    name: Annotated[
        StrictStr,
        Field(description="The name by which it is called.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name"),
    ]
    description: Annotated[
        StrictStr | None,
        Field(
            description="What the function does, so that the model knows when and how to call it.", title="Description"
        ),
    ] = None
    parameters: Annotated[
        dict[str, Any] | None,
        Field(description="A JSON Schema of the arguments. Without it there are none.", title="Parameters"),
    ] = None
    strict: Annotated[
        StrictBool | None,
        Field(
            description="Arguments are always valid by `parameters`, whatever this says, if that can be enforced. If it cannot, the request is an error where this is true or the function must be called; else the schema is named as ignored.",
            title="Strict",
        ),
    ] = None


class ResponsesToolChoiceAllowed(BaseModel):
    type: Annotated[Literal["allowed_tools"], Field(title="Type")]
    mode: Annotated[Literal["auto", "required"], Field(description="Whether one of them must be called.", title="Mode")]
    tools: Annotated[list[ResponsesToolChoiceFunction | ResponsesToolChoiceCustom], Field(min_length=1, title="Tools")]


class DeveloperMessage(BaseModel):
    role: Annotated[Literal["developer"], Field(title="Role")]
    content: Annotated[
        StrictStr | list[TextContent],
        Field(description="The content of system message, or parts of it with nothing between them.", title="Content"),
    ]
    name: Annotated[
        StrictStr | None,
        Field(
            description="The name for the participant to distinguish between participants with the same role.",
            title="Name",
        ),
    ] = None


class FunctionMessage(BaseModel):
    role: Annotated[Literal["function"], Field(title="Role")]
    name: Annotated[StrictStr, Field(description="The name of the function that was called.", title="Name")]
    content: Annotated[
        StrictStr | list[TextContent] | None, Field(description="What the function returned.", title="Content")
    ]


class InputAudioContent(BaseModel):
    type: Annotated[Literal["input_audio"], Field(description="The type of the message content.", title="Type")]
    input_audio: Annotated[InputAudioData, Field(description="The audio data.")]


class AllowedTools(BaseModel):
    mode: Annotated[
        Literal["auto", "required"],
        Field(
            description="With `auto` the model calls some of these tools or answers; with `required` it calls at least one of them.",
            title="Mode",
        ),
    ]
    tools: Annotated[
        list[ChatCompleteBodyToolChoice],
        Field(
            description="Those of the tools that may be called. The model is shown all.", min_length=1, title="Tools"
        ),
    ]


class AssistantMessage(BaseModel):
    role: Annotated[Literal["assistant"], Field(description="The role of the messages author.", title="Role")]
    reasoning_content: Annotated[
        StrictStr | None,
        Field(description="The intermediate reasoning content of assistant message.", title="Reasoning Content"),
    ] = None
    reasoning: Annotated[
        StrictStr | None,
        Field(
            description="The intermediate reasoning content of assistant message. This field is a compatible option for the 'reasoning_content' field.",
            title="Reasoning",
        ),
    ] = None
    name: Annotated[
        StrictStr | None,
        Field(
            description="The name for the participant to distinguish between participants with the same role.",
            title="Name",
        ),
    ] = None
    tool_calls: Annotated[list[AssistantMessageToolCall] | None, Field(title="Tool Calls")] = None
    content: Annotated[
        StrictStr | list[Annotated[TextContent | RefusalContent, Field(discriminator="type")]] | None,
        Field(
            description="The content of assistant message, or parts of it with nothing between them. A message that has neither content nor calls is an empty one, and named as ignored.",
            title="Content",
        ),
    ] = None
    function_call: Annotated[
        AssistantFunctionCall | None,
        Field(
            description="The call of the old form. It is a call in `tool_calls`, whose result is a `function` message."
        ),
    ] = None


class ChatLogprobs(BaseModel):
    content: Annotated[
        list[ChatLogprobsContent] | None,
        Field(description="A list of message content tokens with log probability information.", title="Content"),
    ] = None
    reasoning_content: Annotated[
        list[ChatLogprobsContent] | None,
        Field(
            description="Of the tokens of `reasoning_content` and of what marks it, in order; absent where no reasoning is sent. An extension of this server.",
            title="Reasoning Content",
        ),
    ] = None


class ChatChoiceMessage(BaseModel):
    content: Annotated[
        StrictStr | None, Field(description="The contents of the assistant message.", title="Content")
    ] = None
    role: Annotated[
        StrictStr, Field(description="Role of the generated message author, in this case `assistant`.", title="Role")
    ]
    tool_calls: Annotated[list[ToolCallResult] | None, Field(title="Tool Calls")] = None
    reasoning_content: Annotated[
        StrictStr | None,
        Field(description="What the model reasoned before its answer, where it was parsed.", title="Reasoning Content"),
    ] = None
    function_call: Annotated[
        FunctionCallResult | None, Field(description="The call, in an answer to a request with `functions`.")
    ] = None


class ChatCompletionDelta(BaseModel):
    role: Annotated[StrictStr | None, Field(description="On the first chunk of a choice only.", title="Role")] = None
    content: Annotated[StrictStr | None, Field(title="Content")] = None
    reasoning_content: Annotated[StrictStr | None, Field(title="Reasoning Content")] = None
    tool_calls: Annotated[list[ToolCallDelta] | None, Field(title="Tool Calls")] = None
    function_call: Annotated[
        ToolCallDeltaFunction | None, Field(description="More of the call, in an answer to a request with `functions`.")
    ] = None


class ContainerCompletionsBody(BaseModel):
    model: Annotated[
        StrictStr | None, Field(description="Routes the request to a specific adapter.", title="Model")
    ] = None
    prompt: Annotated[
        StrictStr | list[StrictStr] | list[PromptItem] | list[list[PromptItem]] | None,
        Field(
            description="The text to be continued, or several. Control tokens of the model that stand in it are these tokens. The tokens with which the model's tokenizer begins a text go before it, unless it begins with them already. Of several prompts each is answered as it would be alone, with the same seeds; the choices of prompt `i` have the indices `i * n` to `i * n + n - 1`.",
            title="Prompt",
        ),
    ] = None
    tokens: Annotated[
        list[Token] | None, Field(description="The prompt as token ids, which nothing is added to.", title="Tokens")
    ] = None
    max_tokens: Annotated[
        int | None,
        Field(
            description="Most tokens of an answer. By default, and with -1, it may fill the context. 0 needs `echo`: nothing is drawn.",
            ge=-1,
            title="Max Tokens",
        ),
    ] = None
    max_total_tokens: Annotated[
        int | None,
        Field(
            description="Most tokens of prompt and answer together. Not together with `max_tokens`.",
            ge=1,
            title="Max Total Tokens",
        ),
    ] = None
    min_tokens: Annotated[
        int | None,
        Field(
            description="No end token is drawn before so many tokens, and no stop phrase counts that they complete. Not together with `response_format`.",
            ge=0,
            title="Min Tokens",
        ),
    ] = None
    min_total_tokens: Annotated[
        int | None,
        Field(
            description="The same for prompt and answer together. Not together with `min_tokens`.",
            ge=0,
            title="Min Total Tokens",
        ),
    ] = None
    n: Annotated[
        int | None,
        Field(description="How many choices there are of each prompt. Defaults to 1.", ge=1, le=128, title="N"),
    ] = None
    seed: Annotated[
        Seed2 | Seed3 | None,
        Field(
            description="Of the choices of a prompt, one for each, or one from which they count up. By default they are random; each choice has its own.",
            title="Seed",
        ),
    ] = None
    temperature: Annotated[
        StrictFloat | None,
        Field(
            description="What the logits are divided by; 0 takes the likeliest token. Defaults to 1.",
            ge=0.0,
            title="Temperature",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        Field(description="Only so many of the likeliest tokens are drawn from; 0 is off.", ge=-1, title="Top K"),
    ] = None
    top_p: Annotated[
        StrictFloat | None,
        Field(
            description="Only the likeliest tokens are drawn from whose probabilities reach this; 1 is off.",
            gt=0.0,
            le=1.0,
            title="Top P",
        ),
    ] = None
    min_p: Annotated[
        StrictFloat | None,
        Field(
            description="Only tokens of at least so much of the likeliest one's probability are drawn from; 0 is off.",
            ge=0.0,
            le=1.0,
            title="Min P",
        ),
    ] = None
    xtc_threshold: Annotated[
        StrictFloat | None,
        Field(
            description="Of the tokens at or above this probability XTC takes out all but the least likely; 0 is off.",
            ge=0.0,
            le=1.0,
            title="Xtc Threshold",
        ),
    ] = None
    xtc_probability: Annotated[
        StrictFloat | None,
        Field(description="How often XTC does that; 0 is off.", ge=0.0, le=1.0, title="Xtc Probability"),
    ] = None
    repetition_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="What positive logits of tokens of prompt and answer are divided by, and others multiplied.",
            gt=0.0,
            title="Repetition Penalty",
        ),
    ] = None
    presence_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="What is taken from the logits of tokens that the answer has.",
            ge=-2.0,
            le=2.0,
            title="Presence Penalty",
        ),
    ] = None
    frequency_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="The same for each time that the answer has the token.",
            ge=-2.0,
            le=2.0,
            title="Frequency Penalty",
        ),
    ] = None
    no_repeat_ngram: Annotated[
        int | None,
        Field(
            description="No sequence of so many tokens that prompt and answer have already comes again; 0 is off. A ban that leaves no token holds back at that place.",
            ge=0,
            title="No Repeat Ngram",
        ),
    ] = None
    bad_words: Annotated[
        list[StrictStr] | None,
        Field(
            description="Texts that are not written: the tokens of each, as it is and behind a space, do not come one after the other in the answer. The prompt may have the first of them. A ban that leaves no token holds back at that place.",
            title="Bad Words",
        ),
    ] = None
    bad_word_tokens: Annotated[
        list[TokenSequence] | None, Field(description="The same as sequences of token ids.", title="Bad Word Tokens")
    ] = None
    forced_output_tokens: Annotated[
        list[ForcedOutputToken] | None,
        Field(
            description="The answer is these tokens and no others, as for log-probabilities of an answer that is known. Not together with `response_format`.",
            min_length=1,
            title="Forced Output Tokens",
        ),
    ] = None
    eos_token: Annotated[
        list[EosTokenItem] | None,
        Field(description="Token ids that end an answer, in place of the model's own.", title="Eos Token"),
    ] = None
    stop_tokens: Annotated[
        list[TokenSequence] | None, Field(description="The same as sequences of token ids.", title="Stop Tokens")
    ] = None
    logprobs: Annotated[
        int | None,
        Field(
            description="Log-probabilities of each token, and of so many of the likeliest in its place, under the model itself, before every filter. Not given: none.",
            ge=0,
            le=20,
            title="Logprobs",
        ),
    ] = None
    response_format: Annotated[
        ResponseFormatJsonSchema
        | ResponseFormatJsonObject
        | ResponseFormatRegex
        | ResponseFormatText
        | ResponseFormatGrammar
        | None,
        Field(description="The form of the answer. It holds for what is new, not for the prompt."),
    ] = None
    stream: Annotated[
        StrictBool | None,
        Field(description="Whether the answer comes as server-sent events, one for each token.", title="Stream"),
    ] = False
    stream_options: Annotated[StreamOptions | None, Field(description="Options of a stream.")] = None
    encoder_no_repeat_ngram: Annotated[
        int | None,
        Field(
            description="For models with an encoder. This model has none, so it has no effect and is named as ignored.",
            title="Encoder No Repeat Ngram",
        ),
    ] = None
    encoder_repetition_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="For models with an encoder. This model has none, so it has no effect and is named as ignored.",
            title="Encoder Repetition Penalty",
        ),
    ] = None
    embedding_to_replace: Annotated[
        list[StrictFloat] | None,
        Field(
            description="Embeddings in place of those of tokens. They cannot be given here; it is an error 422.",
            title="Embedding To Replace",
        ),
    ] = None
    token_index_to_replace: Annotated[
        list[int] | None,
        Field(
            description="Whose embeddings are replaced. They cannot be given here; it is an error 422.",
            title="Token Index To Replace",
        ),
    ] = None
    stop: Annotated[
        StrictStr | list[StrictStr] | None,
        Field(
            description="Phrases that end an answer, which is what stands before the first that is complete: one, or a list of at most 256. What cuts an answer of a `response_format` before it is complete ends it with the finish reason `length`.",
            title="Stop",
        ),
    ] = None
    echo: Annotated[
        StrictBool | None,
        Field(
            description="The text begins with the prompt, and log-probabilities are of its tokens too: each under the model behind those before it, that of the first is null.",
            title="Echo",
        ),
    ] = None
    logit_bias: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,9})$", strict=True)],
            LogitBiasAdditionalProperty,
        ]
        | None,
        Field(description="Token id, as a decimal string, to what is added to its logit.", title="Logit Bias"),
    ] = None
    best_of: Annotated[
        int | None,
        Field(
            description="How many choices are drawn of which `n` are given. It must be `n`; another number is an error 422.",
            ge=1,
            title="Best Of",
        ),
    ] = None
    suffix: Annotated[
        StrictStr | None,
        Field(
            description="The text behind what is filled in. This model cannot do that; it is an error 422.",
            title="Suffix",
        ),
    ] = None


class ContainerCompletionsSuccess(BaseModel):
    id: Annotated[StrictStr, Field(description="A unique ID of the completion.", title="Id")]
    object: Annotated[Literal["text_completion"], Field(title="Object")]
    created: Annotated[
        int | None,
        Field(description="The Unix timestamp (in seconds) for when the generation completed.", title="Created"),
    ] = None
    model: Annotated[StrictStr | None, Field(description="The model that generates the completion.", title="Model")] = (
        None
    )
    choices: Annotated[list[CompletionsChoice], Field(title="Choices")]
    usage: ChatUsage


class MessagesImageBlock(BaseModel):
    type: Annotated[Literal["image"], Field(title="Type")]
    source: Annotated[
        MessagesBase64ImageSource | MessagesUrlImageSource, Field(discriminator="type", title="MessagesImageSource")
    ]


class MessagesDocumentBlock(BaseModel):
    type: Annotated[Literal["document"], Field(title="Type")]
    source: MessagesTextSource | MessagesContentSource | MessagesBase64ImageSource | MessagesUrlImageSource | None = (
        None
    )
    title: Annotated[StrictStr | None, Field(description="A line before the text.", title="Title")] = None
    context: Annotated[StrictStr | None, Field(description="A line before the text.", title="Context")] = None


class ContainerMessagesSuccess(BaseModel):
    id: Annotated[StrictStr, Field(title="Id")]
    type: Annotated[Literal["message"], Field(title="Type")]
    role: Annotated[Literal["assistant"], Field(title="Role")]
    model: Annotated[StrictStr | None, Field(description="The model that made the answer.", title="Model")] = None
    content: Annotated[
        list[
            Annotated[
                MessagesResponseThinkingBlock | MessagesResponseTextBlock | MessagesResponseToolUseBlock,
                Field(discriminator="type"),
            ]
        ],
        Field(description="Reasoning, text and calls of tools, in their order.", title="Content"),
    ]
    stop_reason: Annotated[
        Literal["end_turn", "max_tokens", "tool_use", "stop_sequence"] | None,
        Field(
            description="Why the answer ends. With `end_turn` a format that was asked for is kept; with `tool_use` all calls are complete; `max_tokens` says that a limit cut it, `stop_sequence` that one of `stop_sequences` did. Null before the end.",
            title="MessagesStopReason",
        ),
    ] = None
    stop_sequence: Annotated[
        StrictStr | None, Field(description="The one of `stop_sequences` that ended the answer.", title="Stop Sequence")
    ] = None
    usage: MessagesUsage
    seed: Annotated[
        int | None, Field(description="The seed the answer was drawn with. An extension.", title="Seed")
    ] = None


class MessagesStreamMessageStart(BaseModel):
    type: Annotated[Literal["message_start"], Field(title="Type")]
    message: ContainerMessagesSuccess


class MessagesStreamContentBlockDelta(BaseModel):
    type: Annotated[Literal["content_block_delta"], Field(title="Type")]
    index: Annotated[int, Field(title="Index")]
    delta: Annotated[
        MessagesStreamTextDelta
        | MessagesStreamThinkingDelta
        | MessagesStreamSignatureDelta
        | MessagesStreamInputJsonDelta,
        Field(discriminator="type", title="MessagesStreamContentBlockDeltaPayload"),
    ]


class ResponsesTextConfig(BaseModel):
    format: ResponsesTextFormatText | ResponsesTextFormatJsonSchema | ResponsesTextFormatJsonObject | None = None
    verbosity: Annotated[
        Literal["low", "medium", "high"] | None,
        Field(description="The model is not told of it, so that it has no effect.", title="Verbosity"),
    ] = None


class ResponsesInputMessage(BaseModel):
    type: Annotated[Literal["message"] | None, Field(title="Type")] = None
    role: Annotated[
        Literal["user", "assistant", "system", "developer"],
        Field(description="Whose message it is. `developer` is `system`.", title="Role"),
    ]
    content: Annotated[
        StrictStr
        | list[
            Annotated[
                ResponsesInputText | ResponsesInputImage | ResponsesOutputText | ResponsesRefusal,
                Field(discriminator="type"),
            ]
        ],
        Field(description="A text or parts of it, with nothing between them.", title="Content"),
    ]
    id: Annotated[
        StrictStr | None,
        Field(description="The name of a stored item, for references to it. It changes nothing.", title="Id"),
    ] = None
    status: Annotated[
        Literal["in_progress", "completed", "incomplete"] | None,
        Field(description="What a response said of the item. It changes nothing.", title="Status"),
    ] = None
    phase: Annotated[
        StrictStr | None, Field(description="The model is not told of it. It changes nothing.", title="Phase")
    ] = None


class ResponsesFunctionCallOutput(BaseModel):
    type: Annotated[Literal["function_call_output"], Field(title="Type")]
    id: Annotated[
        StrictStr | None,
        Field(description="The name of a stored item, for references to it. It changes nothing.", title="Id"),
    ] = None
    call_id: Annotated[StrictStr, Field(description="That of the call.", title="Call Id")]
    output: Annotated[
        StrictStr | list[Annotated[ResponsesInputText | ResponsesInputImage, Field(discriminator="type")]],
        Field(
            description="What the tool returned, as a text or parts of it with nothing between them.", title="Output"
        ),
    ]
    status: Annotated[
        Literal["in_progress", "completed", "incomplete"] | None,
        Field(description="What a response said of the item. It changes nothing.", title="Status"),
    ] = None


class ResponsesCustomTool(BaseModel):
    type: Annotated[Literal["custom"], Field(title="Type")]
    name: Annotated[
        StrictStr,
        Field(description="The name by which it is called.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name"),
    ]
    description: Annotated[
        StrictStr | None,
        Field(description="What the tool does, so that the model knows when and how to call it.", title="Description"),
    ] = None
    format: ResponsesCustomToolText | ResponsesCustomToolGrammar | None = None


class ResponsesStreamOutputItemAdded(BaseModel):
    type: Annotated[Literal["response.output_item.added"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    output_index: Annotated[int, Field(title="Output Index")]
    item: Annotated[
        ResponsesOutputMessage | ResponsesReasoningItem | ResponsesFunctionCall | ResponsesCustomToolCall,
        Field(discriminator="type", title="ResponsesOutputItem"),
    ]


class ResponsesStreamOutputItemDone(BaseModel):
    type: Annotated[Literal["response.output_item.done"], Field(title="Type")]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    output_index: Annotated[int, Field(title="Output Index")]
    item: Annotated[
        ResponsesOutputMessage | ResponsesReasoningItem | ResponsesFunctionCall | ResponsesCustomToolCall,
        Field(discriminator="type", title="ResponsesOutputItem"),
    ]


class AllowedToolsChoice(BaseModel):
    type: Annotated[Literal["allowed_tools"], Field(title="Type")]
    allowed_tools: AllowedTools


class UserMessage(BaseModel):
    role: Annotated[Literal["user"], Field(description="The role of the message's author.", title="Role")]
    content: Annotated[
        StrictStr
        | list[
            Annotated[
                TextContent | AudioContent | ImageContent | VideoContent | InputAudioContent,
                Field(discriminator="type"),
            ]
        ],
        Field(title="Content"),
    ]
    name: Annotated[
        StrictStr | None,
        Field(
            description="The name for the participant to distinguish between participants with the same role.",
            title="Name",
        ),
    ] = None


class ChatChoice(BaseModel):
    index: Annotated[
        int, Field(description="The index of the choice in the list of generated choices.", examples=[0], title="Index")
    ]
    logprobs: ChatLogprobs | None = None
    message: ChatChoiceMessage
    finish_reason: Annotated[
        Literal["stop", "length", "tool_calls", "function_call"],
        Field(
            description="Termination condition of the generation. `stop` means the API returned the full chat completions generated by the model without running into any limits: with a `response_format` the content is then valid. `length` means the generation was cut: it exceeded `max_tokens` or the context, or a stop phrase cut a tool call or an answer of a `response_format`. `tool_calls` means the API has generated tool calls, all of them complete.",
            title="Finish Reason",
        ),
    ]
    seed: Annotated[
        int | None,
        Field(
            description="The seed this choice was drawn with. The same seed and parameters draw the same choice again.",
            title="Seed",
        ),
    ] = None


class ChatCompletionChunkChoice(BaseModel):
    index: Annotated[int, Field(description="The index of the choice that this chunk continues.", title="Index")]
    delta: ChatCompletionDelta
    finish_reason: Annotated[
        Literal["stop", "length", "tool_calls", "function_call"] | None,
        Field(description="Set on the last chunk of a choice, null on the others.", title="Finish Reason"),
    ] = None
    logprobs: ChatLogprobs | None = None
    seed: Annotated[int | None, Field(description="The seed of this choice.", title="Seed")] = None


MessagesStreamEvent = TypeAliasType(
    "MessagesStreamEvent",
    Annotated[
        MessagesStreamMessageStart
        | MessagesStreamContentBlockStart
        | MessagesStreamContentBlockDelta
        | MessagesStreamContentBlockStop
        | MessagesStreamMessageDelta
        | MessagesStreamMessageStop
        | MessagesErrorResponse,
        Field(description="The JSON text of one event's `data`.", discriminator="type", title="MessagesStreamEvent"),
    ],
)


class ContainerResponsesSuccess(BaseModel):
    model_config = ConfigDict(
        extra="allow",
    )
    id: Annotated[StrictStr, Field(title="Id")]
    object: Annotated[Literal["response"], Field(title="Object")]
    created_at: Annotated[int, Field(description="When it began, a Unix timestamp in seconds.", title="Created At")]
    completed_at: Annotated[
        int | None, Field(description="When it was completed, null unless it is.", title="Completed At")
    ] = None
    status: Annotated[Literal["completed", "failed", "in_progress", "incomplete"], Field(title="Status")]
    error: Annotated[ResponsesError | None, Field(description="Why it failed, where it did.")] = None
    incomplete_details: Annotated[
        ResponsesIncompleteDetails | None, Field(description="Why it is incomplete, where it is.")
    ] = None
    output: Annotated[
        list[
            Annotated[
                ResponsesOutputMessage | ResponsesReasoningItem | ResponsesFunctionCall | ResponsesCustomToolCall,
                Field(discriminator="type"),
            ]
        ],
        Field(title="Output"),
    ]
    usage: Annotated[ResponsesUsage | None, Field(description="Null until the response has ended.")] = None
    model: Annotated[StrictStr, Field(title="Model")]
    seed: Annotated[int, Field(description="The seed with which it was drawn.", title="Seed")]
    store: Annotated[StrictBool | None, Field(description="Whether it is kept once it has ended.", title="Store")] = (
        None
    )
    previous_response_id: Annotated[StrictStr | None, Field(title="Previous Response Id")] = None
    instructions: Annotated[StrictStr | None, Field(title="Instructions")] = None
    max_output_tokens: Annotated[int | None, Field(title="Max Output Tokens")] = None
    temperature: Annotated[StrictFloat | None, Field(title="Temperature")] = None
    top_p: Annotated[StrictFloat | None, Field(title="Top P")] = None
    top_logprobs: Annotated[int | None, Field(title="Top Logprobs")] = None
    parallel_tool_calls: Annotated[StrictBool, Field(title="Parallel Tool Calls")]
    tools: Annotated[list[dict[str, Any]], Field(description="As they were sent.", title="Tools")]
    tool_choice: Annotated[StrictStr | dict[str, Any], Field(title="Tool Choice")]
    text: Annotated[dict[str, Any] | None, Field(title="Text")] = None
    reasoning: Annotated[dict[str, Any] | None, Field(title="Reasoning")] = None
    truncation: Annotated[Literal["disabled"] | None, Field(title="Truncation")] = None
    service_tier: Annotated[Literal["default"] | None, Field(title="Service Tier")] = None
    background: Annotated[Literal[False] | None, Field(title="Background")] = None
    metadata: Annotated[dict[str, StrictStr] | None, Field(title="Metadata")] = None
    prompt_cache_key: Annotated[StrictStr | None, Field(title="Prompt Cache Key")] = None
    safety_identifier: Annotated[StrictStr | None, Field(title="Safety Identifier")] = None
    user: Annotated[StrictStr | None, Field(title="User")] = None
    max_tool_calls: Annotated[int | None, Field(title="Max Tool Calls")] = None


class ResponsesNamespaceTool(BaseModel):
    type: Annotated[Literal["namespace"], Field(title="Type")]
    name: Annotated[
        StrictStr,
        Field(description="The name by which it is called.", pattern="^[a-zA-Z0-9_./:-]{1,128}$", title="Name"),
    ]
    description: Annotated[
        StrictStr | None,
        Field(description="What the tools are for. It comes before the description of each.", title="Description"),
    ] = None
    tools: Annotated[list[ResponsesFunctionTool | ResponsesCustomTool], Field(title="Tools")]


class ResponsesStreamResponseEvent(BaseModel):
    type: Annotated[
        Literal[
            "response.created", "response.in_progress", "response.completed", "response.incomplete", "response.failed"
        ],
        Field(title="Type"),
    ]
    sequence_number: Annotated[
        int, Field(description="Counts the events of the stream, from 0.", ge=0, title="Sequence Number")
    ]
    response: ContainerResponsesSuccess


class ChatResult(BaseModel):
    id: Annotated[StrictStr, Field(description="A unique ID of the chat completion.", title="Id")]
    choices: Annotated[list[ChatChoice], Field(title="Choices")]
    usage: ChatUsage
    object: Annotated[
        Literal["chat.completion"],
        Field(description="The object type, which is always set to `chat.completion`.", title="Object"),
    ]
    created: Annotated[
        int, Field(description="The Unix timestamp (in seconds) for when the generation completed.", title="Created")
    ]
    model: Annotated[
        StrictStr | None,
        Field(
            description="The model to generate the completion. For dedicated endpoints, it returns the endpoint ID.",
            title="Model",
        ),
    ] = None


class ChatCompletionChunk(BaseModel):
    id: Annotated[
        StrictStr, Field(description="A unique ID of the chat completion, the same in every chunk.", title="Id")
    ]
    object: Annotated[Literal["chat.completion.chunk"], Field(title="Object")]
    created: Annotated[int, Field(description="The Unix timestamp (in seconds) of the completion.", title="Created")]
    model: Annotated[StrictStr | None, Field(description="The model that generates the completion.", title="Model")] = (
        None
    )
    choices: Annotated[list[ChatCompletionChunkChoice], Field(description="Empty on the usage chunk.", title="Choices")]
    usage: Annotated[ChatUsage | None, Field(description="Set on the usage chunk, null on the others.")] = None


class MessagesInputMessage(BaseModel):
    role: Annotated[Literal["user", "assistant", "system"], Field(description="Whose message it is.", title="Role")]
    content: Annotated[
        StrictStr
        | list[
            Annotated[
                MessagesTextBlock
                | MessagesImageBlock
                | MessagesThinkingBlock
                | MessagesToolUseBlock
                | MessagesToolResultBlock
                | MessagesDocumentBlock
                | MessagesSearchResultBlock
                | MessagesCompatibilityBlock,
                Field(discriminator="type"),
            ]
        ],
        Field(description="A text, or blocks of different kinds. Texts have nothing between them.", title="Content"),
    ]


class ResponsesItemList(BaseModel):
    object: Annotated[Literal["list"], Field(title="Object")]
    data: Annotated[
        list[
            ResponsesInputMessage
            | ResponsesFunctionCall
            | ResponsesFunctionCallOutput
            | ResponsesCustomToolCall
            | ResponsesCustomToolCallOutput
            | ResponsesReasoningItem
            | ResponsesItemReference
            | ResponsesHostedItem
        ],
        Field(title="Data"),
    ]
    first_id: Annotated[StrictStr | None, Field(title="First Id")]
    last_id: Annotated[StrictStr | None, Field(title="Last Id")]
    has_more: Annotated[StrictBool, Field(title="Has More")]


ResponsesStreamEvent = TypeAliasType(
    "ResponsesStreamEvent",
    Annotated[
        ResponsesStreamResponseEvent
        | ResponsesStreamOutputItemAdded
        | ResponsesStreamOutputItemDone
        | ResponsesStreamContentPartAdded
        | ResponsesStreamContentPartDone
        | ResponsesStreamOutputTextDelta
        | ResponsesStreamOutputTextDone
        | ResponsesStreamReasoningTextDelta
        | ResponsesStreamReasoningTextDone
        | ResponsesStreamReasoningSummaryPartAdded
        | ResponsesStreamReasoningSummaryPartDone
        | ResponsesStreamReasoningSummaryTextDelta
        | ResponsesStreamReasoningSummaryTextDone
        | ResponsesStreamFunctionCallArgumentsDelta
        | ResponsesStreamFunctionCallArgumentsDone
        | ResponsesStreamCustomToolCallInputDelta
        | ResponsesStreamCustomToolCallInputDone
        | ResponsesStreamError,
        Field(discriminator="type", title="ResponsesStreamEvent"),
    ],
)


class ContainerChatCompletionBody(BaseModel):
    model: Annotated[
        StrictStr | None,
        Field(description="Routes the request to a specific adapter.", examples=["(adapter-route)"], title="Model"),
    ] = None
    messages: Annotated[
        list[
            Annotated[
                SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage,
                Field(discriminator="role"),
            ]
        ],
        Field(
            description="A list of messages comprising the conversation so far.",
            examples=[
                [{"content": "You are a helpful assistant.", "role": "system"}, {"content": "Hello!", "role": "user"}]
            ],
            min_length=1,
            title="Messages",
        ),
    ]
    chat_template_kwargs: Annotated[
        dict[str, Any] | None,
        Field(
            description="Additional keyword arguments supplied to the template renderer. These parameters will be available for use within the chat template.",
            title="Chat Template Kwargs",
        ),
    ] = None
    eos_token: Annotated[
        list[EosTokenItem] | None, Field(description="A list of endpoint sentence tokens.", title="Eos Token")
    ] = None
    frequency_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="Number between -2.0 and 2.0. Positive values penalizes tokens that have been sampled, taking into account their frequency in the preceding text. This penalization diminishes the model's tendency to reproduce identical lines verbatim.",
            ge=-2.0,
            le=2.0,
            title="Frequency Penalty",
        ),
    ] = None
    logit_bias: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,9})$", strict=True)],
            LogitBiasAdditionalProperty,
        ]
        | None,
        Field(
            description="Accepts a JSON object that maps tokens to an associated bias value. Mathematically, the bias is added to the logits generated by the model prior to sampling. The exact effect will vary per model.",
            title="Logit Bias",
        ),
    ] = None
    logprobs: Annotated[
        StrictBool | None,
        Field(description="Whether to return log probabilities of the output tokens or not.", title="Logprobs"),
    ] = None
    max_tokens: Annotated[
        int | None,
        Field(
            description="The maximum number of tokens to generate. For decoder-only models like GPT, the length of your input tokens plus `max_tokens` should not exceed the model's maximum length (e.g., 2048 for OpenAI GPT-3). For encoder-decoder models like T5 or BlenderBot, `max_tokens` should not exceed the model's maximum output length. This is similar to Hugging Face's [`max_new_tokens`](https://huggingface.co/docs/transformers/v4.26.0/en/main_classes/text_generation#transformers.GenerationConfig.max_new_tokens) argument.",
            ge=-1,
            title="Max Tokens",
        ),
    ] = None
    min_p: Annotated[
        StrictFloat | None,
        Field(
            description="A scaling factor used to determine the minimum token probability threshold. This threshold is calculated as `min_p` multiplied by the probability of the most likely token. Tokens with probabilities below this scaled threshold are excluded from sampling. Values range from 0.0 (inclusive) to 1.0 (inclusive). Higher values result in stricter filtering, while lower values allow for greater diversity. The default value of 0.0 disables filtering, allowing all tokens to be considered for sampling.",
            ge=0.0,
            le=1.0,
            title="Min P",
        ),
    ] = None
    n: Annotated[
        int | None,
        Field(
            description="The number of independently generated results for the prompt. Defaults to 1. This is similar to Hugging Face's [`num_return_sequences`](https://huggingface.co/docs/transformers/v4.26.0/en/main_classes/text_generation#transformers.GenerationConfig.num_return_sequences) argument.",
            ge=1,
            le=128,
            title="N",
        ),
    ] = None
    parallel_tool_calls: Annotated[
        StrictBool | None,
        Field(description="Whether to enable parallel function calling.", title="Parallel Tool Calls"),
    ] = None
    presence_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="Number between -2.0 and 2.0. Positive values penalizes tokens that have been sampled at least once in the existing text.",
            ge=-2.0,
            le=2.0,
            title="Presence Penalty",
        ),
    ] = None
    repetition_penalty: Annotated[
        StrictFloat | None,
        Field(
            description="Penalizes tokens that have already appeared in the generated result (plus the input tokens for decoder-only models). Should be positive value (1.0 means no penalty). See [keskar et al., 2019](https://arxiv.org/abs/1909.05858) for more details. This is similar to Hugging Face's [`repetition_penalty`](https://huggingface.co/docs/transformers/v4.26.0/en/main_classes/text_generation#transformers.generationconfig.repetition_penalty) argument.",
            gt=0.0,
            title="Repetition Penalty",
        ),
    ] = None
    reasoning_budget: Annotated[
        int | None,
        Field(
            description="Specifies a positive integer that defines a limit on the number of tokens used for internal reasoning tokens. This parameter is only effective for reasoning models.",
            ge=-1,
            title="Reasoning Budget",
        ),
    ] = None
    seed: Annotated[
        Seed | Seed1 | None,
        Field(
            description="Seed to control random procedure. If nothing is given, random seed is used for sampling, and return the seed along with the generated result. When using the `n` argument, you can pass a list of seed values to control all of the independent generations.",
            title="Seed",
        ),
    ] = None
    stream: Annotated[
        StrictBool | None,
        Field(
            description="Whether to stream the generation result. When set to `true`, each token will be sent as [server-sent events](https://developer.mozilla.org/en-US/docs/Web/API/Server-sent_events/Using_server-sent_events#event_stream_format) once generated.",
            title="Stream",
        ),
    ] = False
    stream_options: Annotated[
        StreamOptions | None,
        Field(description="Options related to stream. Without `stream` set to true they have no effect."),
    ] = None
    parse_reasoning: Annotated[
        StrictBool | None,
        Field(
            description="Parses model reasoning into `reasoning_content` while keeping the answer in `content`. Default value may vary between endpoints.\n\nFor more detailed information, please refer [here](https://friendli.ai/docs/guides/reasoning#reasoning-parsing-with-friendli).",
            title="Parse Reasoning",
        ),
    ] = None
    include_reasoning: Annotated[
        StrictBool | None,
        Field(
            description="When `parse_reasoning=true`, include parsed reasoning (`reasoning_content`). Defaults to true.\n\nFor more detailed information, please refer [here](https://friendli.ai/docs/guides/reasoning#reasoning-parsing-with-friendli).",
            title="Include Reasoning",
        ),
    ] = None
    temperature: Annotated[
        StrictFloat | None,
        Field(
            description="Sampling temperature. Smaller temperature makes the generation result closer to greedy, argmax (i.e., `top_k = 1`) sampling. Defaults to 1.0. This is similar to Hugging Face's [`temperature`](https://huggingface.co/docs/transformers/v4.26.0/en/main_classes/text_generation#transformers.generationconfig.temperature) argument.",
            ge=0.0,
            title="Temperature",
        ),
    ] = None
    tool_choice: Annotated[
        ChatCompleteBodyToolChoice | Literal["none", "auto", "required"] | AllowedToolsChoice | None,
        Field(
            description='Determines the tool calling behavior of the model.\nWhen set to `none`, the model will bypass tool execution and generate a response directly.\nIn `auto` mode (the default), the model dynamically decides whether to call a tool or respond with a message.\nAlternatively, setting `required` ensures that the model invokes at least one tool before responding to the user.\nYou can also specify a particular tool by `{"type": "function", "function": {"name": "my_function"}}`.\n',
            title="Tool Choice",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        Field(
            description="Limits sampling to the top k tokens with the highest probabilities. Values range from 0 (no filtering) to the model's vocabulary size (inclusive). The default value of 0 applies no filtering, allowing all tokens.",
            ge=-1,
            title="Top K",
        ),
    ] = None
    top_logprobs: Annotated[
        int | None,
        Field(
            description="The number of most likely tokens to return at each token position, each with an associated log probability. `logprobs` must be set to true if this parameter is used.",
            ge=0,
            le=20,
            title="Top Logprobs",
        ),
    ] = None
    top_p: Annotated[
        StrictFloat | None,
        Field(
            description="Keeps only the smallest set of tokens whose cumulative probabilities reach `top_p` or higher. Values range from 0.0 (exclusive) to 1.0 (inclusive). The default value of 1.0 includes all tokens, allowing maximum diversity.",
            gt=0.0,
            le=1.0,
            title="Top P",
        ),
    ] = None
    xtc_threshold: Annotated[
        StrictFloat | None,
        Field(
            description="A probability threshold used to identify “top choice” tokens for exclusion in XTC (Exclude Top Choices) sampling. Tokens with probabilities at or above this threshold are considered viable candidates, and all but the least likely viable token are excluded from sampling. This option reduces the dominance of highly probable tokens while preserving some diversity by keeping the least confident “top choice.” Values range from 0.0 (inclusive) to 1.0 (inclusive). Higher values make the filtering more selective by requiring higher probabilities to trigger exclusion, while lower values apply filtering more broadly. The default value of 0.0 disables XTC filtering entirely.",
            ge=0.0,
            le=1.0,
            title="Xtc Threshold",
        ),
    ] = None
    xtc_probability: Annotated[
        StrictFloat | None,
        Field(
            description="The probability that XTC (Exclude Top Choices) filtering will be applied for each sampling decision. When XTC is triggered, high-probability tokens above the `xtc_threshold` are excluded except for the least likely viable token. This stochastic activation allows for a balance between standard sampling and creativity-boosting exclusion filtering. Values range from 0.0 (inclusive) to 1.0 (inclusive), where 0.0 means XTC is never applied, 1.0 means XTC is always applied when viable tokens exist, and intermediate values provide probabilistic activation. The default value of 0.0 disables XTC filtering.",
            ge=0.0,
            le=1.0,
            title="Xtc Probability",
        ),
    ] = None
    tools: Annotated[
        list[Tool] | None,
        Field(
            description="A list of tools the model may call.\nUse this to provide a list of functions the model may generate JSON inputs for.\nWith `response_format` the model makes calls, or answers in that format. **When `tools` is specified, `min_tokens` is unsupported.**",
            title="Tools",
        ),
    ] = None
    min_tokens: Annotated[
        int | None,
        Field(
            description="The minimum number of tokens to generate. Default value is 0. This is similar to Hugging Face's [`min_new_tokens`](https://huggingface.co/docs/transformers/v4.26.0/en/main_classes/text_generation#transformers.generationconfig.min_new_tokens) argument.\n\n**This field is unsupported when `tools` or `response_format` is specified.**",
            ge=0,
            title="Min Tokens",
        ),
    ] = None
    response_format: Annotated[
        ResponseFormatJsonSchema
        | ResponseFormatJsonObject
        | ResponseFormatRegex
        | ResponseFormatText
        | ResponseFormatGrammar
        | None,
        Field(
            description="The enforced format of the model's output.\nNote that the content of the output message may be truncated if it exceeds the `max_tokens`. You can check this by verifying that the `finish_reason` of the output message is `length`.\nWith `tools` the model makes calls, or answers in the format. **When `response_format` is specified, `min_tokens` is unsupported.**"
        ),
    ] = None
    max_completion_tokens: Annotated[
        int | None,
        Field(
            description="Another name for `max_tokens`. If both are given they must be equal.",
            ge=-1,
            title="Max Completion Tokens",
        ),
    ] = None
    stop: Annotated[
        StrictStr | list[StrictStr] | None,
        Field(
            description="When one of the stop phrases appears in the generation result, the API will stop generation. The stop phrases are excluded from the result. One phrase, or a list of at most 256. Defaults to an empty list. A phrase that the first `min_tokens` tokens complete does not count. What cuts a tool call, or an answer that a `response_format` constrains before it is complete, ends it with the finish reason `length`.",
            title="Stop",
        ),
    ] = None
    reasoning_effort: Annotated[
        Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"] | None,
        Field(
            description="Determines the amount of reasoning effort the model applies when generating a response. The nearest level that the model's chat template knows is taken; where the template can only turn reasoning on and off, `none` turns it off and every other level on. This parameter is only effective for reasoning models.",
            title="Reasoning Effort",
        ),
    ] = None
    continue_final_message: Annotated[
        StrictBool | None,
        Field(
            description="The answer continues the last message, which must be an assistant's with text, in place of a message of its own. The answer holds what is new; `response_format` holds for the whole, and so do calls of tools.",
            title="Continue Final Message",
        ),
    ] = None
    add_generation_prompt: Annotated[
        StrictBool | None,
        Field(
            description="Whether the prompt ends with what begins an answer of the assistant. Defaults to true, or to false where `continue_final_message` is true, with which true is an error.",
            title="Add Generation Prompt",
        ),
    ] = None
    functions: Annotated[
        list[Function] | None,
        Field(
            description="Functions the model may call, one at most: the answer has `function_call` in place of `tool_calls`, and the finish reason is `function_call`. `tools` took its place; with both it is an error.",
            title="Functions",
        ),
    ] = None
    function_call: Annotated[
        FunctionChoice | Literal["none", "auto"] | None,
        Field(
            description="For `functions` what `tool_choice` is for `tools`; the function that must be called, by its name.",
            title="Function Call",
        ),
    ] = None


ContainerChatCompleteSuccess = TypeAliasType(
    "ContainerChatCompleteSuccess", Annotated[ChatResult, Field(title="ContainerChatCompleteSuccess")]
)


class MessagesPrompt(BaseModel):
    model: Annotated[
        StrictStr | None,
        Field(
            description="The model's name, or that of an adapter. By default the model that is served.", title="Model"
        ),
    ] = None
    messages: Annotated[
        list[MessagesInputMessage],
        Field(
            description="The conversation. Messages of one role that follow each other are one turn. An assistant's message at the end is continued by the answer, which has what is new.",
            min_length=1,
            title="Messages",
        ),
    ]
    system: Annotated[
        StrictStr | list[MessagesSystemTextBlock] | None,
        Field(
            description="What stands before the conversation, or parts of it with nothing between them.", title="System"
        ),
    ] = None
    tools: Annotated[
        list[MessagesToolDefinition] | None, Field(description="Functions that the model may call.", title="Tools")
    ] = None
    tool_choice: Annotated[
        MessagesToolChoice | None,
        Field(description="Whether and which tools are called. By default the model decides."),
    ] = None
    thinking: Annotated[
        MessagesThinkingConfig | None,
        Field(
            description="Whether the model reasons before its answer, and how much. By default its chat template decides."
        ),
    ] = None
    output_config: Annotated[
        MessagesOutputConfig | None, Field(description="The form of the answer, and how much effort is put into it.")
    ] = None
    cache_control: Annotated[
        dict[str, Any] | None,
        Field(
            description="Without effect. What was computed of a prompt is found again without being asked for.",
            title="Cache Control",
        ),
    ] = None
    container: Annotated[dict[str, Any] | StrictStr | None, Field(description="Without effect.", title="Container")] = (
        None
    )
    context_manager: Annotated[dict[str, Any] | None, Field(description="Without effect.", title="Context Manager")] = (
        None
    )
    inference_geo: Annotated[
        dict[str, Any] | StrictStr | None, Field(description="Without effect.", title="Inference Geo")
    ] = None
    metadata: Annotated[dict[str, Any] | None, Field(description="Without effect.", title="Metadata")] = None
    service_tier: Annotated[
        StrictStr | dict[str, Any] | None, Field(description="Without effect.", title="Service Tier")
    ] = None
    output_format: Annotated[
        MessagesOutputFormat | None, Field(description="Another name for `output_config.format`, which goes before it.")
    ] = None


class ContainerMessagesBody(MessagesPrompt):
    max_tokens: Annotated[
        int | None,
        Field(
            description="Most tokens of the answer, reasoning included. By default it may fill the model's context.",
            ge=1,
            title="Max Tokens",
        ),
    ] = None
    stream: Annotated[
        StrictBool | None, Field(description="Whether the answer is a stream of events.", title="Stream")
    ] = False
    temperature: Annotated[
        StrictFloat | None,
        Field(
            description="Sampling temperature; 0 takes the likeliest token. Defaults to 1.", ge=0.0, title="Temperature"
        ),
    ] = None
    top_p: Annotated[
        StrictFloat | None,
        Field(
            description="Tokens are drawn from the likeliest whose probabilities add up to this. Defaults to 1.",
            gt=0.0,
            le=1.0,
            title="Top P",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        Field(
            description="Tokens are drawn from so many of the likeliest; 0 for all, which is the default.",
            ge=0,
            title="Top K",
        ),
    ] = None
    stop_sequences: Annotated[
        list[StrictStr] | None,
        Field(description="Texts that end the answer and are no part of it; at most 256.", title="Stop Sequences"),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            description="The answer is drawn with this seed. By default a random one is drawn, which the answer has. An extension.",
            ge=-9223372036854775808,
            le=18446744073709551615,
            title="Seed",
        ),
    ] = None


class ContainerResponsesBody(BaseModel):
    model_config = ConfigDict(
        extra="allow",
    )
    model: Annotated[
        StrictStr | None,
        Field(description="The model's name. Absent, null and empty mean the one that is served.", title="Model"),
    ] = None
    input: Annotated[
        StrictStr
        | list[
            ResponsesInputMessage
            | ResponsesFunctionCall
            | ResponsesFunctionCallOutput
            | ResponsesCustomToolCall
            | ResponsesCustomToolCallOutput
            | ResponsesReasoningItem
            | ResponsesItemReference
            | ResponsesHostedItem
        ],
        Field(description="A message of the user, or the items of a conversation.", title="Input"),
    ]
    instructions: Annotated[
        StrictStr | None,
        Field(
            description="A system message before all items. It is not carried over to responses that follow this one.",
            title="Instructions",
        ),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Field(
            description="The most tokens of the response, reasoning included. Defaults to what the context has room for.",
            ge=1,
            title="Max Output Tokens",
        ),
    ] = None
    temperature: Annotated[
        StrictFloat | None,
        Field(description="As in a chat. Defaults to 1.0; 0 takes the likeliest token.", ge=0.0, title="Temperature"),
    ] = None
    top_p: Annotated[
        StrictFloat | None, Field(description="As in a chat. Defaults to 1.0.", gt=0.0, le=1.0, title="Top P")
    ] = None
    top_logprobs: Annotated[
        int | None,
        Field(
            description="How many of the likeliest tokens come with each token, where `include` asks for log-probabilities. Without that it has no effect.",
            ge=0,
            le=20,
            title="Top Logprobs",
        ),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            description="An extension, since nothing else makes a response reproducible. As in a chat; by default it is drawn, and the response has it.",
            ge=-9223372036854775808,
            le=18446744073709551615,
            title="Seed",
        ),
    ] = None
    parallel_tool_calls: Annotated[
        StrictBool | None,
        Field(description="Whether a response may have several calls. Defaults to true.", title="Parallel Tool Calls"),
    ] = None
    tools: Annotated[
        list[ResponsesFunctionTool | ResponsesCustomTool | ResponsesNamespaceTool | ResponsesHostedTool] | None,
        Field(
            description="What the model may call: functions, and custom tools, whose input is text. Tools that OpenAI's servers run are not shown to the model, and are named as ignored.",
            title="Tools",
        ),
    ] = None
    tool_choice: Annotated[
        Literal["none", "auto", "required"]
        | ResponsesToolChoiceFunction
        | ResponsesToolChoiceCustom
        | ResponsesToolChoiceAllowed
        | None,
        Field(description="Whether the model must call a tool, and which. Defaults to `auto`.", title="Tool Choice"),
    ] = None
    text: Annotated[ResponsesTextConfig | None, Field(description="The form of the text.")] = None
    reasoning: Annotated[ResponsesReasoningConfig | None, Field(description="How the model reasons.")] = None
    stream: Annotated[
        StrictBool | None, Field(description="Whether to send events while the response is generated.", title="Stream")
    ] = False
    store: Annotated[
        StrictBool | None,
        Field(
            description="Whether the response is kept in memory, so that others can follow it and it can be retrieved. Defaults to true. How much is kept and for how long is the server's setting; where it keeps none, true has no effect.",
            title="Store",
        ),
    ] = None
    previous_response_id: Annotated[
        StrictStr | None,
        Field(
            description="The stored response that this one follows. Its conversation comes before `input`.",
            title="Previous Response Id",
        ),
    ] = None
    include: Annotated[
        list[StrictStr] | None,
        Field(
            description="`reasoning.encrypted_content`: reasoning in a form in which it can be sent back with the next request, whoever stores it. `message.output_text.logprobs`: log-probabilities. Others are about tools of OpenAI's servers and have no effect.",
            title="Include",
        ),
    ] = None
    metadata: Annotated[
        dict[str, StrictStr] | None,
        Field(description="Texts by name, which the response gives back.", title="Metadata"),
    ] = None
    background: Annotated[
        Literal[False] | None,
        Field(description="Responses are not generated in the background; true is an error.", title="Background"),
    ] = None
    conversation: Annotated[
        None,
        Field(
            description="There are no conversations but those of `previous_response_id`; another value is an error.",
            title="Conversation",
        ),
    ] = None
    prompt: Annotated[
        None, Field(description="There are no stored prompts; another value is an error.", title="Prompt")
    ] = None
    truncation: Annotated[
        Literal["auto", "disabled"] | None,
        Field(description="What exceeds the context is an error, so that `auto` has no effect.", title="Truncation"),
    ] = None
    service_tier: Annotated[
        StrictStr | None, Field(description="There is one, `default`; another has no effect.", title="Service Tier")
    ] = None
    max_tool_calls: Annotated[
        int | None, Field(description="Of tools that OpenAI's servers run. It has no effect.", title="Max Tool Calls")
    ] = None
    prompt_cache_key: Annotated[
        StrictStr | None,
        Field(
            description="Prompts are found again by their content, so that it has no effect.", title="Prompt Cache Key"
        ),
    ] = None
    safety_identifier: Annotated[
        StrictStr | None, Field(description="It has no effect.", title="Safety Identifier")
    ] = None
    user: Annotated[StrictStr | None, Field(description="It has no effect.", title="User")] = None
    stream_options: ResponsesStreamOptions | None = None
