// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.program.cli.InWords;
import dev.flk.wal.Damage;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogRecord;
import dev.flk.wal.LogWalk;
import dev.flk.wal.SegmentSummary;
import java.io.IOException;
import java.util.List;
import java.util.stream.Collectors;

/** Whether the end of the log can be read, where all of it would take too long. */
final class NewestRecords {
    private NewestRecords() {}

    /** Reads the newest segments of together so many bytes, at least one, and says in words what is there. */
    static String look(LogInspector inspector, long mostBytes) throws IOException {
        List<SegmentSummary> segments = inspector.list().segments();
        long from = 1;
        long bytes = 0;
        for (int i = segments.size() - 1; i >= 0; i--) {
            bytes += segments.get(i).bytes();
            if (bytes > mostBytes && i < segments.size() - 1) {
                from = segments.get(i + 1).first();
                break;
            }
        }
        long records = 0;
        long first = 0;
        long last = 0;
        try (LogWalk walk = inspector.walk(from)) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                first = records == 0 ? record.sequence() : first;
                last = record.sequence();
                records++;
            }
            return (from == 1 ? "all of the log was read\n" : "the log was read from record " + from + " on\n")
                    + InWords.count(records, "whole record")
                    + (records == 0 ? "" : " (" + first + " to " + last + ")")
                    + "\n"
                    + walk.damages().stream()
                            .map(Damage::describe)
                            .map(damage -> "DAMAGE " + damage + "\n")
                            .collect(Collectors.joining());
        }
    }
}
