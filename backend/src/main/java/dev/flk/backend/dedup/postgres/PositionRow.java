// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;

/** The row of one log in {@code flk_positions}: how far it is recorded here, and the token of who wrote that. */
record PositionRow(String logId) {
    static final String READ = "SELECT complete_up_to, token FROM flk_positions WHERE log_id = ?";
    static final String MOVE = "UPDATE flk_positions SET complete_up_to = ?, token = ? WHERE log_id = ? AND token = ?";
    static final String BEGIN = """
            INSERT INTO flk_positions (complete_up_to, token, log_id) VALUES (?, ?, ?)
            ON CONFLICT (log_id) DO NOTHING""";

    /** What stands there. */
    record Position(long completeUpTo, String token) {}

    Optional<Position> read(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(READ)) {
            statement.setString(1, logId);
            try (ResultSet row = statement.executeQuery()) {
                return row.next() ? Optional.of(new Position(row.getLong(1), row.getString(2))) : Optional.empty();
            }
        }
    }

    /**
     * Writes the position if the row has this token, or, with none expected, if there is no row; it is locked from then on.
     *
     * @return whether it did
     */
    boolean move(Connection connection, Optional<String> expected, long completeUpTo, Token next) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(expected.isPresent() ? MOVE : BEGIN)) {
            statement.setLong(1, completeUpTo);
            statement.setString(2, next.toString());
            statement.setString(3, logId);
            if (expected.isPresent()) {
                statement.setString(4, expected.get());
            }
            return statement.executeUpdate() == 1;
        }
    }
}
