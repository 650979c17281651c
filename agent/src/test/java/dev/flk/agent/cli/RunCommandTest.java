// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.outbox.Outbox;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RunCommandTest extends CommandTest {
    private Path spool;

    @BeforeEach
    void makeSpool() throws Exception {
        spool = Files.createDirectory(directory.resolve("spool"));
        cli.with("SPOOL_DIR", spool.toString());
    }

    private Ended runUntilEmpty() {
        return cli.unwatched().run("run", "--until-empty");
    }

    @Test
    void untilEmpty_allAnswered_exits0() throws Exception {
        Files.write(spool.resolve("a.json"), certificate(1));

        Ended ended = runUntilEmpty();

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.err()).isEmpty();
        assertThat(backend.received).hasSize(1);
    }

    @Test
    void untilEmpty_unreadableSpoolFile_exits1NamesItAndSendsTheOthers() throws Exception {
        Path loop = Files.createSymbolicLink(spool.resolve("a.json"), spool.resolve("a.json"));
        Files.write(spool.resolve("b.json"), certificate(1));

        Ended ended = runUntilEmpty();

        assertThat(ended.exitCode()).as(ended.err()).isEqualTo(1);
        assertThat(ended.err().lines())
                .anyMatch(line -> line.startsWith("flk-agent: spool: cannot read or remove " + loop + ": "));
        assertThat(backend.received).hasSize(1);
    }

    @Test
    void untilEmpty_outboxFull_exits1AndNamesTheDirectory() throws Exception {
        Files.write(spool.resolve("a.json"), certificate(1));

        Ended ended =
                cli.with("OUTBOX_MIN_FREE_BYTES", "1000000TiB").unwatched().run("run", "--until-empty");

        assertThat(ended.exitCode()).as(ended.err()).isEqualTo(1);
        assertThat(ended.err().lines())
                .anyMatch(line ->
                        line.startsWith("flk-agent: spool: ") && line.endsWith("; the files in " + spool + " wait"));
        assertThat(spool.resolve("a.json")).exists();
    }

    /** Simulates a cron job's command that owns the outbox for a moment. */
    @Test
    void outboxOwnedByAShortCommand_waits() throws Exception {
        Files.write(spool.resolve("a.json"), certificate(1));
        Outbox held = cli.own();
        CompletableFuture<Void> command = CompletableFuture.runAsync(
                () -> {
                    try {
                        held.close();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                },
                CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS));

        Ended ended = runUntilEmpty();

        command.get();
        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(backend.received).hasSize(1);
    }

    @Test
    void missingSpoolDirectory_exits2WithAdvice() {
        Path missing = directory.resolve("missing");

        Ended ended = cli.with("SPOOL_DIR", missing.toString()).unwatched().run("run", "--until-empty");

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err())
                .isEqualTo("flk-agent: SPOOL_DIR: " + missing
                        + " does not exist; create it, writable for the programs that put files there\n");
        assertThat(missing).doesNotExist();
    }
}
