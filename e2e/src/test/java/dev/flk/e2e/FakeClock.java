// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The wall clock of one program, faked with libfaketime so that it can be set while the program runs. Monotonic time is
 * not affected.
 */
final class FakeClock {
    private static final List<String> PLACES = List.of(
            "/usr/lib/x86_64-linux-gnu/faketime",
            "/usr/lib/aarch64-linux-gnu/faketime",
            "/usr/lib64/faketime",
            "/usr/lib/faketime",
            "/usr/local/lib/faketime");
    private static final String LIBRARY = "libfaketimeMT.so.1";

    private final Path library;
    private final Path file;

    private FakeClock(Path library, Path file) {
        this.library = library;
        this.file = file;
    }

    /**
     * Returns a clock that initially shows the correct time. Skips the test if libfaketime is not installed or has no
     * effect.
     */
    static FakeClock in(Path directory) throws Exception {
        Optional<Path> library = PLACES.stream()
                .map(place -> Path.of(place, LIBRARY))
                .filter(Files::exists)
                .findFirst();
        assumeTrue(library.isPresent(), "no clock can be set: install libfaketime (apt-get install faketime)");
        FakeClock clock = new FakeClock(library.get(), directory.resolve("clock"));
        clock.set(Duration.ofHours(1));
        assumeTrue(
                clock.secondsSince1970() > Instant.now().getEpochSecond() + 3000,
                "no clock can be set: " + library.get() + " does not work here");
        clock.set(Duration.ZERO);
        return clock;
    }

    /** Sets how far the clock is ahead of the machine's clock. The change takes effect within a second. */
    void set(Duration ahead) throws IOException {
        Path next = file.resolveSibling("clock.next");
        Files.writeString(next, "%+d".formatted(ahead.toSeconds()));
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Returns the environment variables that make a program use this clock. */
    Map<String, String> environment() {
        return Map.of(
                "LD_PRELOAD", library.toString(),
                "FAKETIME_TIMESTAMP_FILE", file.toString(),
                "FAKETIME_CACHE_DURATION", "1",
                "FAKETIME_DONT_FAKE_MONOTONIC", "1",
                "FAKETIME_FORCE_MONOTONIC_FIX", "0",
                "NO_FAKE_STAT", "1");
    }

    private long secondsSince1970() throws Exception {
        ProcessBuilder date = new ProcessBuilder("date", "+%s");
        date.environment().putAll(environment());
        Process process = date.redirectErrorStream(true).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip();
        boolean reported = process.waitFor() == 0 && text.matches("[0-9]{1,12}");
        return reported ? Long.parseLong(text) : 0;
    }
}
