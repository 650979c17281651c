// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.follow.Source;
import dev.flk.agent.testing.TestSink;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SourcesIntakeTest {
    @TempDir
    Path directory;

    private final List<byte[]> added = new CopyOnWriteArrayList<>();
    private final TestSink sink = new TestSink(added::addAll);

    private static String rows(int from) {
        return "timestamp,x\n%d,1\n%d,2\n".formatted(from, from + 1);
    }

    private void readUntilIdle() {
        Source source = new Source(
                "s",
                directory + "/*.csv",
                Columns.USUAL,
                CsvFormat.USUAL,
                Windows.byCount(2, 0),
                new Source.Shard.Ids(List.of("s")),
                false,
                false);
        try (SourcesIntake intake = SourcesIntake.start(
                directory.resolve("sources"), List.of(source), sink, InstantSource.system(), System::nanoTime)) {
            await().until(intake::isIdle);
        }
    }

    @Test
    void isIdle_severalFilesOfARotation_comesAfterTheLastOfThem() throws Exception {
        Path csv = Files.writeString(directory.resolve("a.csv"), rows(1_000));
        readUntilIdle();
        for (int i = 1; i <= 3; i++) {
            Files.move(csv, directory.resolve("a.csv." + i));
            Files.writeString(csv, rows(1_000 + 2 * i));
        }

        readUntilIdle();

        assertThat(added).hasSize(4);
    }
}
