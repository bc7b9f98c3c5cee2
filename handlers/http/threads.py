"""Threads for the work that prompts take, so that however much there is of it, other work finds threads."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")
_prompts = ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="prompt")


async def in_prompt_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """The result of `work(*arguments)`, done beside the event loop; dropped where nobody waits before it begins."""
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_prompts, partial(context.run, work, *arguments))
