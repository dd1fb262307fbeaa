"""What a task will take on a device: measured where that was done before, estimated by its size where not."""

from typing import Protocol

from .view import Group, TaskView

LOAD_SECONDS = 45.0
MOVE_SECONDS = 4.0


class Costs(Protocol):
    """Seconds, as expected."""

    def run(self, task: TaskView, on: Group) -> float:
        """Of the task itself on such a seat."""

    def load(self, family: str, on: Group) -> float:
        """Of bringing a model into the memory of such a seat; 0 when it is there."""

    def move(self, task: TaskView, node: str) -> float:
        """Of bringing the task's inputs to a node; 0 when they are there."""


class SizeCosts:
    """By size alone: units over speed, and the same constants for every model."""

    def __init__(self, load: float = LOAD_SECONDS, move: float = MOVE_SECONDS) -> None:
        self._load, self._move = load, move

    def run(self, task: TaskView, on: Group) -> float:
        return task.work / on.speed

    def load(self, family: str, on: Group) -> float:
        return 0.0 if not family or family in on.models else self._load

    def move(self, task: TaskView, node: str) -> float:
        return 0.0 if not task.inputs_on or node in task.inputs_on else self._move
