"""The verbs that tell what there is: encoders, recipes and their settings."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from emovoz.table import print_table

if TYPE_CHECKING:
    from emovoz import Recipe as RecipeOf

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def encoders(
    check: Annotated[str | None, typer.Option(help="Load this encoder and run it once.")] = None,
    as_json: AsJson = False,
) -> None:
    """The encoders known by name: width, size, licence, languages, and where their weights are or come from."""
    from emovoz.encoders.status import check_encoder, encoder_table, print_encoders

    if as_json:
        print_table([check_encoder(check)] if check else encoder_table(), as_json=True)
    elif check:
        print("\n".join(f"{name}: {value}" for name, value in check_encoder(check).items()))
    else:
        print_encoders()


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe in full.")] = None,
    changed: Annotated[list[str] | None, typer.Option("--set", help="Print it with section.key=value changed.")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="Print what every setting means.")] = False,
    as_json: AsJson = False,
) -> None:
    """The shipped recipes, or one of them in full, or what the settings of a recipe mean."""
    from emovoz import InputError
    from emovoz.comments import with_comments
    from emovoz.recipe import recipe_as_written, shipped_recipes
    from emovoz.reference import explained, setting_table

    if changed and name is None:
        raise InputError("--set needs the name of a recipe, such as emovoz recipes speech --set model.pooling=max")
    if settings:
        print(json.dumps(setting_table(), ensure_ascii=False) if as_json else explained())
    elif name is None:
        print_table([{"recipe": key, "description": value} for key, value in shipped_recipes().items()], as_json)
    elif as_json:
        print(recipe_of(name, changed).model_dump_json(indent=2))
    else:
        full = recipe_of(name, changed).to_yaml()
        # what a comment says may not be true of another setting
        print(full if changed else with_comments(full, recipe_as_written(name)), end="")


def recipe_of(name: str, settings: list[str] | None) -> "RecipeOf":
    """A recipe with what was set; it is told where that gives it a modality."""
    from emovoz import Recipe
    from emovoz.progress import say

    recipe = Recipe.load(name, settings or ())
    for section in ("speech", "text", "ngrams") if settings else ():
        # in a comparison every recipe gets every --set, also one that was to do without
        if getattr(recipe, section) and not getattr(Recipe.load(name), section):
            way = section if section == "ngrams" else f"{section}.model"
            say(f"recipe {recipe.name} has no {section} of its own: --set {way} gives it one")
    return recipe
