// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.program.cli.TypedPathsContract;
import dev.flk.program.config.Key;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;

/** Tests that every command and every setting of the agent accepts any path, or says what is wrong with it. */
class TypedPathsTest extends TypedPathsContract {
    @Override
    protected CommandLine commands() {
        PrintStream none = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
        return new FlkAgent(Map.of(), InputStream.nullInputStream(), none, none).commandLine();
    }

    @Override
    protected Ended run(Map<String, String> settings, String... arguments) {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        try (PrintStream stream = new PrintStream(output, true, StandardCharsets.UTF_8)) {
            int exitCode = new FlkAgent(settings, InputStream.nullInputStream(), stream, stream).run(arguments);
            return new Ended(exitCode, output.toString(StandardCharsets.UTF_8));
        }
    }

    @Override
    protected Map<String, String> settings() {
        return Map.of(
                "OUTBOX_PATH",
                directory.resolve("outbox").toString(),
                "DLQ_PATH",
                directory.resolve("dlq.jsonl").toString(),
                "SHARD_ID",
                "s",
                "LOG_LEVEL",
                "ERROR");
    }

    @Override
    protected List<String> names() {
        return AgentConfig.KEYS.stream().map(Key::name).toList();
    }

    @Override
    protected List<String> readers() {
        return List.of("status", "dlq list", "fsck", "doctor");
    }
}
