// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.program.cli.TypedPathsContract;
import dev.flk.program.config.Key;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;

/** Tests that every command and every setting of the backend accepts any path, or says what is wrong with it. */
class TypedPathsTest extends TypedPathsContract {
    @Override
    protected CommandLine commands() {
        PrintWriter none = new PrintWriter(new StringWriter());
        return new CommandLineProgram(Map.of(), (config, again) -> {}, none, none).commandLine();
    }

    @Override
    protected Ended run(Map<String, String> settings, String... arguments) {
        StringWriter output = new StringWriter();
        PrintWriter stream = new PrintWriter(output);
        int exitCode = new CommandLineProgram(settings, (config, again) -> {}, stream, stream).run(arguments);
        return new Ended(exitCode, output.toString());
    }

    @Override
    protected Map<String, String> settings() {
        return Map.of(
                "WAL_DIR",
                directory.resolve("wal").toString(),
                "DEDUP_DIR",
                directory.resolve("dedup").toString(),
                "PORT",
                "1",
                "PCS_SIGN_ALG",
                "none",
                "LOG_LEVEL",
                "ERROR");
    }

    @Override
    protected List<String> names() {
        return BackendConfig.KEYS.stream().map(Key::name).toList();
    }

    @Override
    protected List<String> readers() {
        return List.of("config check", "serve", "wal ls");
    }
}
