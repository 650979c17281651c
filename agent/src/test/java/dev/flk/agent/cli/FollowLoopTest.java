// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.certify.Windows;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.follow.Globs;
import dev.flk.agent.follow.Source;
import dev.flk.agent.outbox.OutboxInspector;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class FollowLoopTest {
    @TempDir
    Path directory;

    private static String rows(int from, int count) {
        StringBuilder rows = new StringBuilder();
        for (int i = from; i < from + count; i++) {
            rows.append("%d,%d%n".formatted(1_000 + i, i * 7 % 11));
        }
        return rows.toString();
    }

    @Test
    void run_untilStopped_addsEachWindowOnce_alsoAfterARestart() throws Exception {
        Path csv = Files.writeString(directory.resolve("rows.csv"), "timestamp,x\n" + rows(0, 25));
        AgentConfig config = AgentConfig.load(
                Map.of("OUTBOX_PATH", directory.resolve("outbox").toString()), null, Set.of());
        Context context = new Context(Map.of(), InputStream.nullInputStream(), System.out, System.err);
        Source source = new Source(
                "rows.csv",
                Globs.literal(csv.toString()),
                Columns.USUAL,
                CsvFormat.USUAL,
                Windows.byCount(10, 0),
                new Source.Shard.Ids(List.of("s")),
                false,
                false);
        OutboxInspector outbox = new OutboxInspector(directory.resolve("outbox"));
        List<String> lines = new CopyOnWriteArrayList<>();
        for (int run = 1; run <= 2; run++) {
            FollowLoop loop = new FollowLoop(config, context);
            FutureTask<Long> following = new FutureTask<>(() -> loop.run(source, csv, lines::add));
            new Thread(following, "follow").start();
            int windows = 2 * run;
            await().ignoreExceptions().until(() -> outbox.summary().pendingEntries() == windows);
            loop.stop();

            assertThat(following.get()).isEqualTo(windows);
            Files.writeString(csv, rows(25, 20), StandardOpenOption.APPEND);
        }
        assertThat(lines).hasSize(2 + 4); // with a heading in each run
        assertThat(directory).isDirectoryNotContaining("glob:**.certified");
    }

    @Test
    void follow_fileCantBeRead_endsWithTheOption() throws Exception {
        Path csv = Files.writeString(directory.resolve("local.csv"), "t,v\n2026-02-03 09:00:00,1.5\n");

        Ended ended = new Cli(directory)
                .unwatched()
                .run("certify", "--follow", "--shard", "s", "--time", "t", "--value", "v", csv.toString());

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.err())
                .contains(csv + ": line 2: column t: \"2026-02-03 09:00:00\" has no zone; give the offset")
                .contains("such as --time-zone +01:00");
    }
}
