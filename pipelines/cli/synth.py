"""`kohort synth`: make synthetic learners."""

import click

from pipelines.cli.synth_raw import raw
from pipelines.cli.synth_twin import twin


@click.group()
def synth() -> None:
    """Make synthetic learners: invented, so there is nobody to protect."""


for command in (raw, twin):
    synth.add_command(command)
