// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Files that a short log may come to have: strace wants to know their names before there are files. */
record LogPaths(Path directory, String prefix) {
    private static final int MOST = 40;

    /** Those that records are appended to; it may be another day by then. */
    List<Path> segments() {
        LocalDate today = LocalDate.now(ZoneOffset.UTC);
        return Stream.of(today, today.plusDays(1))
                .map(DateTimeFormatter.BASIC_ISO_DATE::format)
                .flatMap(day -> IntStream.range(1, MOST)
                        .mapToObj(sequence -> directory.resolve("%s-%s-%016d.wal".formatted(prefix, day, sequence))))
                .toList();
    }

    /** Segments from an ordinal on, before they have their name. */
    List<Path> openings(int first) {
        return IntStream.range(first, MOST)
                .mapToObj(ordinal -> directory.resolve(prefix + "-opening-" + ordinal))
                .toList();
    }
}
