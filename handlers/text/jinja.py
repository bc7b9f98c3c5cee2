"""Chat templates as trees: how their text is parsed, whoever looks at it."""

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser


def parse(source: str) -> nodes.Template:
    """The tree of a template's text; evaluates nothing."""
    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols", _Generation], autoescape=False)
    return environment.parse(source)


def undeclared(sources: list[str]) -> list[str]:
    """Names of the variables that templates read. Jinja evaluates constant expressions meanwhile."""
    return sorted({name for source in sources for name in meta.find_undeclared_variables(parse(source))})


class _Generation(Extension):
    """Tags of transformers' around what the assistant says; their content stands for them."""

    tags = {"generation"}  # noqa: RUF012 - an instance variable of the base class

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The nodes between the tags."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
