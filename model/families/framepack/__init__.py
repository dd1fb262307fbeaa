"""FramePack on HunyuanVideo 13B: facts of the released checkpoints, and the renderer that the puppet shares."""
