// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The segments of a log, parsed as {@code docs/wire-format.md} describes them, without the code of {@code wal}.
 *
 * @param name the prefix of the segment names
 */
record LogFiles(Path directory, String name) {
    private static final Pattern HEADER =
            Pattern.compile("flk1([ +])[0-9a-f]{8} ([0-9]+) ([0-9]+) [0-9]+ [0-9]+ ([A-Za-z]) (\\S+)\n");

    private static final int MOST = 40;

    /** A record, with the id of the key that signed it. */
    record Entry(long sequence, char kind, String keyId, String body) {}

    /** The position of a record. */
    record Place(String segment, long offset) {}

    static LogFiles inbox(Path directory) {
        return new LogFiles(directory, "inbox");
    }

    List<Path> segments() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.getFileName().toString().matches(name + "-[0-9]{8}-[0-9]+\\.wal"))
                    .sorted()
                    .toList();
        }
    }

    /** Returns all records in order, without the headers and the records that they carry. */
    List<Entry> entries() throws IOException {
        List<Entry> entries = new ArrayList<>();
        for (Path segment : segments()) {
            readInto(entries, Files.readAllBytes(segment));
        }
        return entries;
    }

    /** Returns the kinds of the records whose body contains {@code text}. */
    List<Character> kindsOf(String text) throws IOException {
        return entries().stream()
                .filter(entry -> entry.body().contains(text))
                .map(Entry::kind)
                .toList();
    }

    /** Changes a byte of the first record of this certificate, and returns the position of the record. */
    Place flip(Pcs certificate) throws IOException {
        String id = certificate.id().toString();
        for (Path segment : segments()) {
            byte[] bytes = Files.readAllBytes(segment);
            String text = new String(bytes, StandardCharsets.ISO_8859_1);
            int at = text.indexOf(id);
            if (at >= 0) {
                bytes[at] ^= 1;
                Files.write(segment, bytes);
                return new Place(String.valueOf(segment.getFileName()), text.lastIndexOf("flk1 ", at));
            }
        }
        throw new AssertionError("not in the log: " + id);
    }

    /**
     * Returns all names that segments of a short log can have today or tomorrow. Strace needs the names before the
     * files exist.
     */
    List<Path> possibleSegments() {
        LocalDate today = LocalDate.now(ZoneOffset.UTC);
        return Stream.of(today, today.plusDays(1))
                .map(DateTimeFormatter.BASIC_ISO_DATE::format)
                .flatMap(day -> IntStream.range(1, MOST)
                        .mapToObj(sequence -> directory.resolve("%s-%s-%016d.wal".formatted(name, day, sequence))))
                .toList();
    }

    /** Returns the temporary names of segments that are being opened, starting at ordinal {@code first}. */
    List<Path> openings(int first) {
        return IntStream.range(first, MOST)
                .mapToObj(ordinal -> directory.resolve(name + "-opening-" + ordinal))
                .toList();
    }

    private static void readInto(List<Entry> entries, byte[] segment) {
        // in this charset each character is one byte, so lengths in bytes are lengths in characters
        String text = new String(segment, StandardCharsets.ISO_8859_1);
        Matcher header = HEADER.matcher(text);
        int at = 0;
        while (header.region(at, text.length()).lookingAt()) {
            int bodyEnd = header.end() + Integer.parseInt(header.group(2));
            char kind = header.group(4).charAt(0);
            if (header.group(1).equals(" ") && kind != 'H') {
                String body = new String(segment, header.end(), bodyEnd - header.end(), StandardCharsets.UTF_8);
                entries.add(new Entry(Long.parseLong(header.group(3)), kind, header.group(5), body));
            }
            at = bodyEnd + 1;
        }
    }
}
