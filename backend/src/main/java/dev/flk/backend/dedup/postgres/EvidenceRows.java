// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** The rows of {@code flk_evidence}. They suppress a second piece of evidence and nothing else, so no position is compared. */
final class EvidenceRows {
    static final String LOOK_UP =
            "SELECT 1 FROM flk_evidence WHERE pcs_id = ? AND digest = ? AND expires_at_millis > ?";
    static final String NOTE = """
            INSERT INTO flk_evidence (pcs_id, digest, expires_at_millis) VALUES (?, ?, ?)
            ON CONFLICT (pcs_id, digest) DO UPDATE SET expires_at_millis = EXCLUDED.expires_at_millis""";

    private EvidenceRows() {}

    static boolean knows(Connection connection, PcsId id, ContentDigest digest, long nowMillis) throws SQLException {
        try (PreparedStatement statement = statement(connection, LOOK_UP, id, digest, nowMillis);
                ResultSet row = statement.executeQuery()) {
            return row.next();
        }
    }

    static void note(Connection connection, PcsId id, ContentDigest digest, long expiresAtMillis) throws SQLException {
        try (PreparedStatement statement = statement(connection, NOTE, id, digest, expiresAtMillis)) {
            statement.executeUpdate();
        }
    }

    private static PreparedStatement statement(
            Connection connection, String sql, PcsId id, ContentDigest digest, long millis) throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql);
        statement.setBytes(1, id.toBytes());
        statement.setBytes(2, digest.toBytes());
        statement.setLong(3, millis);
        return statement;
    }
}
