"""The `[data]` of a specification: one model for each source of photographs."""

from typing import Annotated, Literal, Self, TypeVar, get_args

from pydantic import Field, model_validator

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.limits import Unit
from lethe.evaluator.contract.seen_by import SeenBy

Seed = Annotated[int, Field(ge=0, lt=2**63)]
SecretSeed = Annotated[
    Seed | None,
    Field(
        description="Whoever knows it knows what is hidden; left out, it is drawn at creation, for the database only",
        examples=[1],
    ),
    SeenBy.HOSTS,
]
ImageSize = Annotated[
    int,
    Field(ge=16, le=256, description="Width and height of the photographs as networks get them"),
    Unit.PIXELS,
    SeenBy.EVERYBODY,
]
T = TypeVar("T")
Source = Annotated[T, Field(description="Where the photographs come from"), SeenBy.HOSTS]
Classes = Annotated[int, Field(ge=2, le=100), Unit.COUNT, SeenBy.EVERYBODY]
AgeGroups = Annotated[Classes, Field(description="Age groups, equally wide")]
FixedClasses = Annotated[T, Field(description="Classes of this data set"), Unit.COUNT, SeenBy.EVERYBODY]


class SyntheticFacesSpec(Contract):
    """Invented people. Anybody who knows `seed` can paint them again."""

    source: Source[Literal["synthetic-faces"]] = "synthetic-faces"
    seed: SecretSeed = None
    identities: Annotated[
        int, Field(ge=8, description="People who are invented, practice people not counted"), Unit.COUNT, SeenBy.HOSTS
    ] = 60
    images_per_identity: Annotated[
        int, Field(ge=2, description="Photographs of each of them"), Unit.COUNT, SeenBy.HOSTS
    ] = 12
    image_size: ImageSize = 32
    classes: AgeGroups = 10


class CasiaSurfSpec(Contract):
    """CASIA-SURF as it was published; classes are equally wide age groups."""

    source: Source[Literal["casia-surf"]]
    image_size: ImageSize = 32
    classes: AgeGroups = 10


class _NamedClasses(Contract):
    image_size: ImageSize = 32
    classes: Annotated[Classes, Field(description="How many different labels there are", examples=[2])]
    class_names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=60)], ...],
        Field(description="Names of the classes in the order of their numbers; empty: they have none"),
        SeenBy.EVERYBODY,
    ] = ()

    @model_validator(mode="after")
    def _name_each_class(self) -> Self:
        if self.class_names and len(set(self.class_names)) != self.classes:
            raise ValueError(f"class_names must be {self.classes} different names, or be left out")
        return self


class ImageFolderSpec(_NamedClasses):
    """A folder of photographs with a `labels.csv`, whose labels are numbers from 0 or the names given here."""

    source: Source[Literal["image-folder"]]


class ArraysSpec(_NamedClasses):
    """NumPy arrays `images`, `labels` and perhaps `identities`, as a folder of .npy files or one NPZ."""

    source: Source[Literal["arrays"]]


class InstalledSpec(_NamedClasses):
    """What a function of an installed package gives, which offers it as `lethe.sources`."""

    source: Source[Literal["installed"]]
    reader: Annotated[
        str,
        Field(min_length=1, max_length=100, description="Name under which the package offers it", examples=["stripes"]),
        SeenBy.HOSTS,
    ]
    options: Annotated[
        dict[str, bool | int | float | str],
        Field(description="What the function gets by name, such as `{ people = 40 }`"),
        SeenBy.HOSTS,
    ] = Field(default={})


class DigitsSpec(Contract):
    """The 1,797 handwritten digits that scikit-learn carries."""

    source: Source[Literal["digits"]]
    image_size: ImageSize = 32
    classes: FixedClasses[Literal[10]] = 10


class TorchvisionSpec(Contract):
    """A data set in the layout that torchvision reads; training and test part together."""

    image_size: ImageSize = 32


class Cifar10Spec(TorchvisionSpec):
    """60,000 photographs of things."""

    source: Source[Literal["cifar10"]]
    classes: FixedClasses[Literal[10]] = 10


class Cifar100Spec(TorchvisionSpec):
    """60,000 photographs of things, with finer classes."""

    source: Source[Literal["cifar100"]]
    classes: FixedClasses[Literal[100]] = 100


class SvhnSpec(TorchvisionSpec):
    """99,289 photographs of house numbers."""

    source: Source[Literal["svhn"]]
    classes: FixedClasses[Literal[10]] = 10


AnySource = (
    SyntheticFacesSpec
    | CasiaSurfSpec
    | ImageFolderSpec
    | ArraysSpec
    | InstalledSpec
    | DigitsSpec
    | Cifar10Spec
    | Cifar100Spec
    | SvhnSpec
)
DataSpec = Annotated[AnySource, Field(discriminator="source")]
"""Where the hidden photographs come from."""

SOURCES: dict[str, type[Contract]] = {
    name: kind for kind in get_args(AnySource) for name in get_args(kind.model_fields["source"].annotation)
}
"""The fields of `[data]` by the name of the source."""
