// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.e2e.Traffic.Sent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    private static final Pattern ID = Pattern.compile("\"pcs_id\":\"([0-9a-f]{64})\"");

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
        List<Sent> answered;
        try (BackendProcess backend = BackendProcess.start(directory);
                Traffic traffic = new Traffic(backend.url(), 1, PER_SECOND)) {
            for (int i = 0; i < rotations; i++) {
                int before = traffic.answered().size();
                await().atMost(Client.PATIENCE).until(() -> traffic.answered().size() > before + ANSWERS);
                rotate(configuration);
            }
            traffic.end();
            answered = traffic.answered();
            assertThat(answered)
                    .filteredOn(one -> one.status() != 200)
                    .extracting(Sent::body)
                    .isEmpty();
            assertThat(backend.program().allLines())
                    .contains("was renamed and is now")
                    .doesNotContain("ERROR");
            assertThat(backend.program().terminate()).isEqualTo(143);
        }
        assertThat(rotated().size()).isGreaterThan(rotations / 2);
        assertThat(run(0, "wal", "verify")).contains("whole");
        Set<String> replayed = idsIn(run(0, "wal", "replay", "--outcomes"));
        for (Sent one : answered) {
            assertThat(replayed).contains(one.pcs().id().toString());
        }
        System.out.printf(
                "RotatedLogIT: %d rotations, %d answered, all in %d rotated files and the log%n",
                rotations, answered.size(), rotated().size());
        try (BackendProcess backend = BackendProcess.start(directory)) {
            assertThat(new Client(backend.url()).get("/readyz").status()).isEqualTo(200);
            assertThat(backend.program().terminate()).isEqualTo(143);
        }

        Path taken = rotatedWithRecords();
        Files.move(taken, directory.resolve("taken"));

        String first = taken.getFileName().toString().replaceAll("inbox-[0-9]+-0*([0-9]+)\\.wal.*", "$1");
        assertThat(run(1, "wal", "verify")).containsPattern("(?m)^" + first + " .* missing");
        try (BackendProcess backend = BackendProcess.start(directory, Map.of())) {
            backend.program()
                    .awaitLine(line -> line.contains("is missing, with")
                            && line.contains("can't be rebuilt without it: put it back"));
        }
    }

    /**
     * Checks that the backend reports an error when logrotate's {@code copytruncate} truncates the current segment,
     * which loses records.
     */
    @Test
    void copytruncate_isReportedAsAnError() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory);
                Traffic traffic = new Traffic(backend.url(), 1, 50)) {
            await().atMost(Client.PATIENCE).until(() -> traffic.answered().size() > 20);
            rotate(stanza("    copytruncate\n"));

            backend.program()
                    .awaitLine(line -> line.contains("ERROR") && line.contains("'copytruncate' destroys them"));
            traffic.end();
        }
    }

    private Set<String> idsIn(String lines) {
        Set<String> ids = new HashSet<>();
        Matcher id = ID.matcher(lines);
        while (id.find()) {
            ids.add(id.group(1));
        }
        return ids;
    }

    private List<Path> rotated() throws IOException {
        try (Stream<Path> files = Files.list(wal())) {
            return files.filter(file -> file.getFileName().toString().matches(".*\\.wal\\.[0-9]+(\\.gz)?"))
                    .sorted()
                    .toList();
        }
    }

    /** Returns a rotated file from the middle of the log, which has records that the next segment does not repeat. */
    private Path rotatedWithRecords() throws IOException {
        List<Path> rotated = rotated();
        return rotated.get(rotated.size() / 2);
    }

    private String run(int exitCode, String... arguments) throws IOException {
        try (Program program =
                Program.java("flk-backend", directory, ServedBackend.environment(), List.of(), arguments)) {
            assertThat(program.awaitExit(Duration.ofMinutes(2)))
                    .as(String.join(" ", arguments) + "\n" + program.allLines())
                    .isEqualTo(exitCode);
            return program.allLines();
        }
    }
}
