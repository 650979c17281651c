// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.LoggedId;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.InWords;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogRecord;
import dev.flk.wal.LogWalk;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Map;
import java.util.TreeMap;

/** What a key has signed, as far as the log goes back. Memory is that of {@value #MAX_SHARDS} names of shards. */
final class SignedByKey {
    private static final int MAX_SHARDS = 1_000;
    private static final int SHOWN_SHARDS = 20;

    private final String keyId;
    private final Map<String, Long> shards = new TreeMap<>();
    private long records;
    private long ofOtherShards;
    private long firstMillis = Long.MAX_VALUE;
    private long lastMillis = Long.MIN_VALUE;
    private boolean isWhole = true;

    SignedByKey(String keyId) {
        this.keyId = keyId;
    }

    /** Reads the log; with {@code ids} a line for each record goes there at once: arrival, id, shard. */
    void read(LogInspector log, PrintWriter ids, boolean withIds) throws IOException {
        try (LogWalk walk = log.walk(1)) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                if (record.keyId().equals(keyId)) {
                    add(record, ids, withIds);
                }
            }
            isWhole = walk.damages().isEmpty();
        }
    }

    private void add(LogRecord record, PrintWriter ids, boolean withIds) {
        records++;
        firstMillis = Math.min(firstMillis, record.arrivalMillis());
        lastMillis = Math.max(lastMillis, record.arrivalMillis());
        String shard = shardOf(record);
        if (shards.containsKey(shard) || shards.size() < MAX_SHARDS) {
            shards.merge(shard, 1L, Long::sum);
        } else {
            ofOtherShards++;
        }
        if (withIds) {
            String id = LoggedId.of(record).map(Object::toString).orElse("-");
            ids.println(id);
        }
    }

    private static String shardOf(LogRecord record) {
        try {
            return CertificateReader.parse(record.body()).signed().shardId();
        } catch (MalformedCertificate e) {
            return "";
        }
    }

    /** Lines for people. */
    String text() {
        if (records == 0) {
            return "it has signed nothing that the log still has\n" + (isWhole ? "" : missing());
        }
        StringBuilder text = new StringBuilder()
                .append("it has signed   ")
                .append(InWords.count(records, "record"))
                .append(" that the log still has\nfirst arrival   ")
                .append(InWords.time(firstMillis))
                .append("\nlast arrival    ")
                .append(InWords.time(lastMillis))
                .append('\n');
        String label = "shards          ";
        int shown = 0;
        for (Map.Entry<String, Long> shard : shards.entrySet()) {
            if (shown++ < SHOWN_SHARDS) {
                text.append(label)
                        .append(ListedKey.quoted(shard.getKey()))
                        .append(": ")
                        .append(shard.getValue())
                        .append('\n');
                label = " ".repeat(label.length());
            }
        }
        if (shards.size() > SHOWN_SHARDS || ofOtherShards > 0) {
            text.append(label)
                    .append("and ")
                    .append(ofOtherShards > 0 ? "more than " : "")
                    .append(shards.size() - SHOWN_SHARDS)
                    .append(" more\n");
        }
        return text.append(isWhole ? "" : missing()).toString();
    }

    private static String missing() {
        return "records of the log are missing, see wal verify: there may have been more\n";
    }
}
