// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.send.ScriptedBackend;
import java.nio.file.Path;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A command line that sends to a backend of its own, for each test. */
@Timeout(60)
abstract class CommandTest {
    @TempDir
    Path directory;

    ScriptedBackend backend;
    Cli cli;

    @BeforeEach
    void startBackend() throws Exception {
        backend = new ScriptedBackend();
        cli = new Cli(directory).sendingTo(backend);
    }

    @AfterEach
    void stop() throws Exception {
        cli.stopAgent();
        backend.close();
    }

    /** What a command prints, which must succeed. */
    String done(String... command) {
        Ended ended = cli.run(command);
        assertThat(ended.exitCode()).as(ended.err()).isZero();
        return ended.out();
    }

    /** Waits until {@code status} prints this. */
    void awaitStatus(String part) {
        Awaitility.await().until(() -> cli.run("status").out().contains(part));
    }

    static String unwrapped(String text) {
        return text.replace("\n    ", " ");
    }
}
