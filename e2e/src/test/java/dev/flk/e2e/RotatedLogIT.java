// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Traffic.Sent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of a real logrotate on the segments of a backend under traffic, with the usual stanza {@code daily rotate 14
 * compress missingok notifempty}. {@code -Dflk.rotations=100} rotates 100 times.
 */
@Tag("thorough")
final class RotatedLogIT {
    private static final int PER_SECOND = 100;
    /** The number of answers between two rotations. */
    private static final int ANSWERS = 25;

    @TempDir
    private Path directory;

    private HostProgram logrotate;

    @BeforeEach
    void find() {
        logrotate = HostProgram.orSkip("logrotate", "logrotate", directory);
    }

    private Path wal() {
        return directory.resolve("data/wal");
    }

    private Path stanza(String more) throws IOException {
        Path configuration = directory.resolve("rotate.conf");
        Files.writeString(
                configuration,
                wal() + "/*.wal {\n    daily\n    rotate 14\n    compress\n    missingok\n    notifempty\n" + more
                        + "}\n");
        Files.setPosixFilePermissions(configuration, PosixFilePermissions.fromString("rw-r--r--"));
        return configuration;
    }

    private void rotate(Path configuration) throws Exception {
        logrotate.succeed("-f", "-s", directory.resolve("state").toString(), configuration.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"    nocreate\n", "    create 0600\n"})
    void rotatedUnderTraffic_everyAnsweredBodyIsInAReadableFile(String more) throws Exception {
        int rotations = Integer.getInteger("flk.rotations", 8);
        Path configuration = stanza(more);
        List<String> answered;
        try (ServedBackend backend = BackendInJvm.start(directory);
                Traffic traffic = new Traffic(backend.url(), 1, PER_SECOND)) {
            for (int i = 0; i < rotations; i++) {
                int before = traffic.answered().size();
                Client.awaitUntil(() -> traffic.answered().size() > before + ANSWERS);
                rotate(configuration);
            }
            traffic.end();
            assertThat(traffic.answered()).allMatch(Sent::isAcknowledged);
            answered = traffic.answered().stream()
                    .map(one -> one.pcs().id().toString())
                    .toList();
            assertThat(backend.allLines()).contains("was renamed and is now").doesNotContain("ERROR");
        }
        List<Path> rotated = rotated();
        assertThat(rotated.size()).isGreaterThan(rotations / 2);
        assertThat(wal("verify").exits(0).all()).contains("whole");
        assertThat(wal("replay", "--outcomes")
                        .exits(0)
                        .out()
                        .lines()
                        .filter(line -> line.startsWith("{\"seq\""))
                        .map(line -> StrictJson.read(line).path("pcs_id").asText()))
                .containsAll(answered);

        Path taken = rotated.get(rotated.size() / 2); // it has records that the next segment does not repeat
        Files.move(taken, directory.resolve("taken"));

        String first = taken.getFileName().toString().replaceAll("inbox-[0-9]+-0*([0-9]+)\\.wal.*", "$1");
        assertThat(wal("verify").exits(1).all()).containsPattern("(?m)^" + first + " .* missing");
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            backend.awaitLine(line ->
                    line.contains("is missing, with") && line.contains("can't be rebuilt without it: put it back"));
        }
    }

    /**
     * Checks that the backend reports an error when logrotate's {@code copytruncate} truncates the current segment,
     * which loses records.
     */
    @Test
    void copytruncate_isReportedAsAnError() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory);
                Traffic traffic = new Traffic(backend.url(), 1, PER_SECOND)) {
            Client.awaitUntil(() -> traffic.answered().size() > ANSWERS);
            rotate(stanza("    copytruncate\n"));

            backend.awaitLine(line -> line.contains("ERROR") && line.contains("'copytruncate' destroys them"));
        }
    }

    private List<Path> rotated() throws IOException {
        try (Stream<Path> files = Files.list(wal())) {
            return files.filter(file -> file.getFileName().toString().matches(".*\\.wal\\.[0-9]+(\\.gz)?"))
                    .sorted()
                    .toList();
        }
    }

    private Command wal(String... arguments) {
        return Command.ofBackend(
                Map.of("WAL_DIR", wal().toString()),
                Stream.concat(Stream.of("wal"), Stream.of(arguments)).toArray(String[]::new));
    }
}
