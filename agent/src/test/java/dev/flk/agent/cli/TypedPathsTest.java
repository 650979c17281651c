// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.program.cli.TypedPathsContract;
import dev.flk.program.cli.TypedPathsContract.Ended;
import dev.flk.program.config.Key;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests that every command and every setting of the agent accepts any path, or says what is wrong with it. */
@Timeout(300)
class TypedPathsTest {
    private static final String[] COMMANDS = {"status", "dlq list", "fsck", "doctor"};

    @TempDir
    Path directory;

    private static Ended run(Map<String, String> settings, String... arguments) {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        try (PrintStream stream = new PrintStream(output, true, StandardCharsets.UTF_8)) {
            int exitCode = new FlkAgent(settings, InputStream.nullInputStream(), stream, stream).run(arguments);
            return new Ended(exitCode, output.toString(StandardCharsets.UTF_8));
        }
    }

    private TypedPathsContract contract() {
        PrintStream none = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
        FlkAgent program = new FlkAgent(Map.of(), InputStream.nullInputStream(), none, none);
        return new TypedPathsContract(directory, program.commandLine(), TypedPathsTest::run);
    }

    private Map<String, String> settings() {
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

    private static String[] names() {
        return AgentConfig.KEYS.stream().map(Key::name).toArray(String[]::new);
    }

    @Test
    void arguments_anyPath_worksOrIsExplained() throws Exception {
        contract().assertHoldsForArguments(settings());
    }

    @Test
    void settings_anyPath_worksOrIsExplained() throws Exception {
        contract().assertHoldsForSettings(settings(), List.of(names()), COMMANDS);
    }

    @Test
    void localeC_anyPath_worksOrIsExplained() throws Exception {
        TypedPathsContract.assertSucceedsInTheCLocale(InTheCLocale.class, directory);
    }

    /** A process with the locale C. */
    static final class InTheCLocale {
        private InTheCLocale() {}

        public static void main(String[] args) throws Exception {
            TypedPathsTest test = new TypedPathsTest();
            test.directory = Path.of(args[0]);
            test.contract().onlyEncoding().assertHoldsForArguments(test.settings());
            test.contract().onlyEncoding().assertHoldsForSettings(test.settings(), List.of(names()), COMMANDS);
            System.exit(0);
        }
    }
}
