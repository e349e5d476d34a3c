package ai.mlc.mlcllm;

public class MLCEngine {}
