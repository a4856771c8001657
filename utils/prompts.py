"""Prompts, and the labels that answers name: `from utils.prompts import build_prompt, parse_label`, for notebooks."""

from __future__ import annotations

from utils.generators.prompts import build_prompt, default_instruction, parse_label

__all__ = ["build_prompt", "default_instruction", "parse_label"]
