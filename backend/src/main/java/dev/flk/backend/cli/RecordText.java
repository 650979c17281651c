// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.RecordKind;
import dev.flk.canonical.JsonLine;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.InWords;
import dev.flk.wal.LogRecord;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** How a record is printed, with or without its body. */
interface RecordText {
    /** What stands before the first one. */
    String heading();

    /** One record, with its line ends. */
    String of(LogRecord record, Optional<PcsId> about);

    /** For people: two lines of at most 80 columns, and the body as a third. */
    static RecordText columns(boolean withBody) {
        return new Columns(withBody);
    }

    /** For programs: one JSON object a line. */
    static RecordText json(boolean withBody) {
        return new Json(withBody);
    }

    /** For people. */
    record Columns(boolean withBody) implements RecordText {
        private static final String ROW = "%11s  %-24s  %-10s  %-8s  %9s\n";

        private static final int KEY_COLUMNS = 18;

        @Override
        public String heading() {
            return ROW.formatted("SEQUENCE", "ARRIVED", "KIND", "KEY", "BODY") + "             PCS_ID\n";
        }

        @Override
        public String of(LogRecord record, Optional<PcsId> about) {
            String head = ROW.formatted(
                    record.sequence(),
                    InWords.time(record.arrivalMillis()),
                    RecordKind.nameOf(record.kind()),
                    shortened(record.keyId()),
                    InWords.bytes(record.body().length));
            String id = "             " + about.map(PcsId::toString).orElse("-") + "\n";
            return withBody ? head + id + forTerminal(bodyOf(record)) + "\n" : head + id;
        }

        /** As much of it as 80 columns have room for. */
        private static String shortened(String keyId) {
            return keyId.length() > KEY_COLUMNS ? keyId.substring(0, KEY_COLUMNS - 1) + "…" : keyId;
        }

        /** Nothing in a body speaks to a terminal. JSON has such characters in strings only, where an escape says the same. */
        private static String forTerminal(String body) {
            StringBuilder shown = new StringBuilder(body.length());
            for (int i = 0; i < body.length(); i++) {
                char c = body.charAt(i);
                int type = Character.getType(c);
                boolean speaks = (type == Character.CONTROL && c != '\n' && c != '\t') || type == Character.FORMAT;
                shown.append(speaks ? "\\u%04x".formatted((int) c) : String.valueOf(c));
            }
            return shown.toString();
        }
    }

    /** For programs. */
    record Json(boolean withBody) implements RecordText {
        @Override
        public String heading() {
            return "";
        }

        @Override
        public String of(LogRecord record, Optional<PcsId> about) {
            JsonLine line = new JsonLine()
                    .integer("sequence", record.sequence())
                    .integer("group", record.group())
                    .text("arrived", InWords.time(record.arrivalMillis()))
                    .text("kind", RecordKind.nameOf(record.kind()))
                    .text("key_id", record.keyId());
            about.ifPresent(id -> line.text("pcs_id", id.toString()));
            line.integer("bytes", record.body().length)
                    .text("segment", record.position().segment())
                    .integer("offset", record.position().offset())
                    .text("context", record.context());
            return withBody ? line.text("body", bodyOf(record)).end() : line.end();
        }
    }

    /** Bodies of the inbox are UTF-8: a certificate was read strictly before it was logged. */
    private static String bodyOf(LogRecord record) {
        return new String(record.body(), StandardCharsets.UTF_8);
    }
}
