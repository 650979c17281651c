// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** The inbox's segments. */
record InboxLog(Path directory) {
    /** A record: its sequence, its kind ({@code s}, {@code e} or {@code o}), the key that signed it, and its body. */
    record Entry(long sequence, char kind, String keyId, String body) {}

    List<Path> segments() throws IOException {
        return files().segments();
    }

    /** All records in their order, each once: neither headers nor what these repeat. */
    List<Entry> entries() throws IOException {
        return files().records().stream()
                .map(found -> new Entry(found.sequence(), found.kind(), found.keyId(), found.body()))
                .toList();
    }

    /** The kinds of the records whose body contains {@code text}. */
    List<Character> kindsOf(String text) throws IOException {
        return entries().stream()
                .filter(entry -> entry.body().contains(text))
                .map(Entry::kind)
                .toList();
    }

    private LogFiles files() {
        return new LogFiles(directory, "inbox");
    }
}
