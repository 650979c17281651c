// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox.ShardBacklog;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.send.Certificates;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the backlog that the outbox reports for each shard as its entries change. */
class OutboxShardsTest {
    private static final Instant START = Instant.parse("2026-11-20T08:00:00Z");

    @TempDir
    Path directory;

    private Instant now = START;
    private Outbox outbox;

    @BeforeEach
    void open() throws IOException {
        outbox = Outbox.open(new OutboxOptions(directory.resolve("outbox"), 64 << 20, 0), () -> now);
    }

    @AfterEach
    void close() throws IOException {
        outbox.close();
    }

    private void restart() throws IOException {
        close();
        open();
    }

    /** Adds a certificate of a shard, then lets a second pass. */
    private OutboxEntry add(long epoch, String shard) throws IOException {
        outbox.append(List.of(Certificates.certificate(epoch, shard)));
        now = now.plusSeconds(1);
        List<OutboxEntry> waiting = waiting();
        return waiting.get(waiting.size() - 1);
    }

    private List<OutboxEntry> waiting() {
        return outbox.pendingAfter(0, Integer.MAX_VALUE);
    }

    private static ShardBacklog backlog(int entries, int oldestAfterSeconds) {
        return new ShardBacklog(entries, START.plusSeconds(oldestAfterSeconds).toEpochMilli());
    }

    private static ShardBacklog none() {
        return new ShardBacklog(0, -1);
    }

    @Test
    void restart_keepsPending_andForgetsShardsWithoutAny() throws Exception {
        OutboxEntry first = add(1, "a");
        add(2, "b");
        add(3, "a");
        OutboxEntry last = add(4, "c");
        outbox.settle(SettledAs.ACCEPTED, List.of(first, last));

        restart();

        assertThat(outbox.byShard())
                .hasSize(3)
                .containsEntry("(others)", none())
                .containsEntry("a", backlog(1, 2))
                .containsEntry("b", backlog(1, 1));
    }

    @Test
    void compaction_movedEntries_keepShardAndAge_alsoAfterARestart() throws Exception {
        outbox.append(IntStream.rangeClosed(1, 100)
                .mapToObj(i -> Certificates.certificate(i, "done"))
                .toList());
        List<OutboxEntry> done = waiting();
        now = now.plusSeconds(5);
        add(101, "a");
        add(102, "b");
        outbox.settle(SettledAs.ACCEPTED, done);
        now = now.plusSeconds(90);

        assertThat(outbox.compact(Duration.ZERO, Mode.RUN).movedEntries()).isEqualTo(2);

        assertThat(outbox.byShard())
                .containsEntry("a", backlog(1, 5))
                .containsEntry("b", backlog(1, 6))
                .containsEntry("done", none());
        restart();
        assertThat(outbox.byShard())
                .hasSize(3)
                .containsEntry("a", backlog(1, 5))
                .containsEntry("b", backlog(1, 6));
    }

    @Test
    void deadLetter_isNotCounted_requeued_isCounted_alsoAfterARestart() throws Exception {
        Path file = directory.resolve("dlq.jsonl");
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            OutboxEntry entry = add(1, "a");
            letters.add(DeadLetter.of(
                    now,
                    entry,
                    Certificates.id(1, "a"),
                    400,
                    "no",
                    1,
                    outbox.bodies(List.of(entry)).get(entry.sequence())));
            outbox.settle(SettledAs.DEAD, List.of(entry));
            assertThat(outbox.byShard()).containsEntry("a", none());

            assertThat(letters.requeue(letter -> true)).isEqualTo(1);
        }

        assertThat(outbox.byShard()).hasSize(2).containsEntry("a", backlog(1, 1));
        restart();
        assertThat(outbox.byShard()).hasSize(2).containsEntry("a", backlog(1, 1));
    }
}
