// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Columns of a row. */
final class RecordRow {
    private RecordRow() {}

    /** Replaces U+0000, which Postgres can't store in a text. */
    static String storable(String text) {
        return text.replace('\u0000', '\ufffd');
    }

    static byte[] shard(RowKey key) {
        return utf8(key.shard());
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    static byte[] id(RowKey key) {
        return HexFormat.of().parseHex(key.pcsId());
    }
}
