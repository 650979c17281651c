// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.program.cli.TypedPathsContract;
import dev.flk.program.cli.TypedPathsContract.Ended;
import dev.flk.program.config.Key;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests that every command and every setting of the backend accepts any path, or says what is wrong with it. */
@Timeout(300)
class TypedPathsTest {
    private static final String[] COMMANDS = {"config check", "serve", "wal ls"};

    @TempDir
    Path directory;

    private static Ended run(Map<String, String> settings, String... arguments) {
        StringWriter output = new StringWriter();
        PrintWriter stream = new PrintWriter(output);
        int exitCode = new CommandLineProgram(settings, (config, again) -> {}, stream, stream).run(arguments);
        return new Ended(exitCode, output.toString());
    }

    private TypedPathsContract contract() {
        PrintWriter none = new PrintWriter(new StringWriter());
        return new TypedPathsContract(
                directory,
                new CommandLineProgram(Map.of(), (config, again) -> {}, none, none).commandLine(),
                TypedPathsTest::run);
    }

    private Map<String, String> settings() {
        return Map.of(
                "WAL_DIR",
                directory.resolve("wal").toString(),
                "DEDUP_DIR",
                directory.resolve("dedup").toString(),
                "STATE_DIR",
                directory.resolve("state").toString(),
                "PORT",
                "1",
                "PCS_SIGN_ALG",
                "none",
                "LOG_LEVEL",
                "ERROR");
    }

    private static String[] names() {
        return BackendConfig.KEYS.stream().map(Key::name).toArray(String[]::new);
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
