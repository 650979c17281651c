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

/** A base class of command tests, each with a command line that sends to its own backend. */
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

    /** Runs a command that must succeed; returns its output. */
    String done(String... command) {
        Ended ended = cli.run(command);
        assertThat(ended.exitCode()).as(ended.err()).isZero();
        return ended.out();
    }

    /** Waits until the output of {@code status} contains {@code part}. */
    void awaitStatus(String part) {
        Awaitility.await().until(() -> cli.run("status").out().contains(part));
    }

    static String unwrapped(String text) {
        return text.replace("\n    ", " ");
    }
}
