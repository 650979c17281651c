// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.LoggedOutcomes.Ending;
import dev.flk.backend.ingest.LoggedOutcomes.Given;
import dev.flk.backend.ingest.RecordKind;
import dev.flk.canonical.JsonLine;
import dev.flk.program.cli.InWords;
import dev.flk.wal.LogRecord;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What a replay counted. */
final class ReplayCount {
    private static final String ROW = "%-28s %12d\n";

    private final Map<String, Long> byKind = new LinkedHashMap<>();
    private final Map<Ending, Long> byEnding = new EnumMap<>(Ending.class);
    private long records;
    private long first;
    private long last;
    private long overruled;
    private long different;

    ReplayCount() {
        RecordKind.names().forEach(kind -> byKind.put(kind, 0L));
        for (Ending ending : Ending.values()) {
            byEnding.put(ending, 0L);
        }
    }

    void record(LogRecord record) {
        first = records == 0 ? record.sequence() : first;
        last = record.sequence();
        records++;
        byKind.merge(RecordKind.nameOf(record.kind()), 1L, Long::sum);
    }

    void given(Given given) {
        byEnding.merge(given.ending(), 1L, Long::sum);
        overruled += given.isOverruled() ? 1 : 0;
    }

    void differs() {
        different++;
    }

    String asText(boolean compared, Path directory) {
        StringBuilder text = new StringBuilder();
        byKind.forEach((kind, count) -> {
            text.append(ROW.formatted(kind, count));
            if (kind.equals(RecordKind.names().get(0))) {
                byEnding.forEach((ending, ended) -> text.append(ROW.formatted("  " + lowerCase(ending), ended)));
                text.append(ROW.formatted("  of these, by an earlier one", overruled));
            }
        });
        if (compared) {
            text.append(ROW.formatted("otherwise by current policy", different));
        }
        String range = records == 0 ? "" : " (" + first + " to " + last + ")";
        return text.append(InWords.count(records, "record"))
                .append(range)
                .append(" in ")
                .append(directory)
                .append('\n')
                .toString();
    }

    String asJson(boolean compared) {
        JsonLine line = new JsonLine()
                .text("type", "summary")
                .integer("records", records)
                .integer("first_sequence", first)
                .integer("last_sequence", last);
        byKind.forEach(line::integer);
        byEnding.forEach((ending, count) -> line.integer(lowerCase(ending), count));
        line.integer("answered_by_an_earlier_one", overruled);
        return compared ? line.integer("different", different).end() : line.end();
    }

    private static String lowerCase(Ending ending) {
        return ending.name().toLowerCase(Locale.ROOT);
    }
}
