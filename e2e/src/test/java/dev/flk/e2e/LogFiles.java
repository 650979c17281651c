// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The segments of a log, read as an outsider would by {@code docs/wire-format.md}. {@code name} is what their names begin with. */
record LogFiles(Path directory, String name) {
    private static final Pattern HEADER =
            Pattern.compile("flk1([ +])[0-9a-f]{8} ([0-9]+) ([0-9]+) [0-9]+ [0-9]+ ([A-Za-z]) (\\S+)\n");

    /** A record: its sequence, its kind, the key that signed it, and its body. */
    record Found(long sequence, char kind, String keyId, String body) {}

    List<Path> segments() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.getFileName().toString().matches(name + "-[0-9]{8}-[0-9]+\\.wal"))
                    .sorted()
                    .toList();
        }
    }

    /** All records in their order, each once: neither headers nor what these repeat. */
    List<Found> records() throws IOException {
        List<Found> records = new ArrayList<>();
        for (Path segment : segments()) {
            readInto(records, Files.readAllBytes(segment));
        }
        return records;
    }

    private static void readInto(List<Found> records, byte[] segment) {
        // a character is a byte here, so that lengths fit
        String text = new String(segment, StandardCharsets.ISO_8859_1);
        Matcher header = HEADER.matcher(text);
        int at = 0;
        while (header.region(at, text.length()).lookingAt()) {
            int bodyEnd = header.end() + Integer.parseInt(header.group(2));
            char kind = header.group(4).charAt(0);
            if (header.group(1).equals(" ") && kind != 'H') {
                String body = new String(segment, header.end(), bodyEnd - header.end(), StandardCharsets.UTF_8);
                records.add(new Found(Long.parseLong(header.group(3)), kind, header.group(5), body));
            }
            at = bodyEnd + 1;
        }
    }
}
