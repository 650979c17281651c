// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.UnknownHostException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** Tests of the messages for failures that are hard to cause; the test of outages covers the others. */
final class PostgresFailuresTest {
    private final PostgresFailures failures = new PostgresFailures("db:5432/flk", "DEDUP_TIMEOUT (1000 ms)");

    private String message(SQLException e) {
        return failures.of(e);
    }

    private static PSQLException fromServer(String state, String message) {
        return new PSQLException(new ServerErrorMessage("SERROR\0C" + state + "\0M" + message + "\0DKey (x)=(row)\0"));
    }

    @ParameterizedTest
    @CsvSource({
        "53100, the server's disk is full",
        "57P01, someone ended the session",
        "57P03, the server is starting or stopping",
        "08003, the connection broke: said",
        "40001, rolled a transaction back because it conflicted with others: said",
        "25006, the server is read-only",
        "42P05, PgBouncer in transaction mode",
        "26000, PgBouncer in transaction mode",
        "XX001, 'said, SQLSTATE XX001'"
    })
    void of_errorOfTheServer_isNamedWithoutData(String state, String expected) {
        assertThat(message(fromServer(state, "said")))
                .startsWith("Postgres at db:5432/flk: ")
                .contains(expected)
                .doesNotContain("row)");
    }

    @Test
    void of_anUnknownHost_saysSo() {
        assertThat(message(new PSQLException("no", null, new UnknownHostException("db"))))
                .contains("host is unknown");
    }

    @Test
    void of_failedTlsHandshake_namesWhatToCheck() {
        assertThat(message(new PSQLException("no", null, new SSLHandshakeException("unable to find valid path"))))
                .contains("TLS failed: unable to find valid path", "sslmode", "sslrootcert");
    }

    @Test
    void of_timeoutOfThePool_namesWhyItCouldNotConnect() {
        var timeout = new SQLTransientConnectionException("timed out", fromServer("53300", "too many clients"));
        assertThat(message(timeout)).contains("the server has no free connection");
    }
}
