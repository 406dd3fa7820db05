"""Models from files: one module per format, each with one function, imported when a model of its format is named.

The contract of a loader module is

    def load(path: Path, args: Mapping[str, str]) -> TextToImage

    path: a file or folder of this machine that `evalsuite.loaders.detect` has found to be of the module's format. A
        folder of a diffusers model holds no code: `evalsuite.loaders.safety` has looked. A hub id has become its
        snapshot's folder, or a file in it.
    args: what the user wrote after `?` or in `--model-args`, as text. A name that the loader does not know is refused
        with `evalsuite.loaders.arguments.known_args`.
    returns: the model on the CPU in fp32, ready to sample. Networks that do not predict rectified-flow velocities
        derive from `backbones.native.NativeModel`, which brings velocity, samplers and path. The fingerprint covers
        weights, configuration and arguments: `backbones.fingerprint`.
        A model may have `check_run(prompts, spec)`, which is called before anything is written, to refuse a run that it
        cannot serve: sizes it lacks, guidance without a null class. One that can be shown pictures has `latents`, see
        `backbones.protocol.ReadsImages`.
    raises: InputError (one line: what, where, why, what to do) or another ValueError, such as CheckpointError.

Weights are read with `evalsuite.loaders.tensors` or `backbones.checkpoint.load_into`, which check headers, sizes,
shapes and values. Nothing is unpickled elsewhere, no code of a snapshot runs, and nothing is downloaded.
"""

from __future__ import annotations
