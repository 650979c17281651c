// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLException;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.exception.FlywayValidateException;
import org.jspecify.annotations.Nullable;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * Messages about failures of Postgres. A message says what happened, where, and what to do. No message contains a
 * user's name, a password or a row.
 *
 * @param server {@code host:port/database}
 * @param limit the time-out of a statement with its setting, such as {@code DEDUP_TIMEOUT (1000 ms)}
 */
public record PostgresFailures(String server, String limit) {
    private static final Set<String> UNDONE_FOR_OTHERS = Set.of("40001", "40P01");

    /** The driver's message if a server accepts a connection and then does not answer. */
    private static final String LOGIN_TIMED_OUT = "Connection attempt timed out";

    /** Returns the messages for the server and the time-out of a configuration. */
    public static PostgresFailures of(PostgresConfig config) {
        return new PostgresFailures(config.server(), config.statementTimeout().toString());
    }

    /**
     * Returns whether the server rolled the transaction back because of a conflict with another transaction. The
     * transaction had no effect and can be tried again.
     */
    static boolean isUndoneForOthers(SQLException e) {
        return UNDONE_FOR_OTHERS.contains(state(e));
    }

    /** Returns a message that describes a failure and begins with the server's address. */
    public String of(Exception thrown) {
        if (thrown instanceof FlywayValidateException) {
            return of("its tables have the format of an earlier version, which this version can't read: name an empty"
                    + " database, or run the version that created them");
        }
        if (thrown instanceof FlywayException) {
            for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
                if (cause instanceof SQLException e) {
                    return of("its tables can't be created or migrated: " + what(root(e)));
                }
            }
            return of("its tables can't be created or migrated: " + thrown.getMessage());
        }
        return of(thrown instanceof SQLException e ? what(root(e)) : thrown.toString());
    }

    /** Prefixes a text with the server's address. */
    public String of(String what) {
        return "Postgres at " + server + ": " + what;
    }

    /**
     * Returns the innermost SQL exception. If a call to the pool timed out because connecting failed, this is the
     * exception of the failed connection attempt.
     */
    private static SQLException root(SQLException thrown) {
        return thrown.getCause() instanceof SQLException cause ? root(cause) : thrown;
    }

    private static String state(SQLException e) {
        return Optional.ofNullable(e.getSQLState()).orElse("");
    }

    private String what(SQLException e) {
        return switch (state(e)) {
            case "28000", "28P01" ->
                "the login is refused; check user and password in POSTGRES_CONN, and pg_hba.conf of the server";
            case "3D000" -> "there is no such database; create it, or correct POSTGRES_CONN";
            case "53300" -> "the server has no free connection; raise its max_connections, or lower POSTGRES_POOL_MAX";
            case "53100" -> "the server's disk is full; free space on it: " + said(e);
            case "57014" -> "a statement took longer than " + limit + "; look for locks and load on the server";
            case "25006" ->
                "the server is read-only: it is a standby, or default_transaction_read_only is on; "
                        + "set POSTGRES_CONN to the primary, or default_transaction_read_only to off";
            case "42501" -> "a privilege is missing: " + said(e) + "; grant it to the user of POSTGRES_CONN";
            case "57P01" -> "the server ended the connection: it is stopping, or someone ended the session";
            case "57P02", "57P03" -> "the server is starting or stopping";
            case "08003" -> "the connection broke: " + said(e);
            case "40001", "40P01" ->
                "the server rolled a transaction back because it conflicted with others: " + said(e)
                        + "; look for other programs that use these tables";
            case "42P01", "42703", "3F000" ->
                "tables are missing or old: " + said(e) + "; the backend creates missing tables when it connects "
                        + "again, except those that flk_schema_history, flk_state_schema_history, flk_record_schema_history or "
                        + "flk_session_schema_history records as created: restore those from a backup";
            case "42P05", "26000" ->
                "a pooler such as PgBouncer in transaction mode gave a statement a connection on which it was not"
                        + " prepared: " + said(e) + "; set pool_mode=session for this database in the pooler, or name"
                        + " the server itself in POSTGRES_CONN";
            default -> {
                if (e instanceof SQLTransientConnectionException) {
                    yield "no connection was free or could be opened in time; look for slow statements and at the "
                            + "network, or raise POSTGRES_POOL_MAX or POSTGRES_ACQUIRE_TIMEOUT";
                }
                if (withoutNull(e.getMessage()).startsWith(LOGIN_TIMED_OUT)) {
                    yield "does not answer a login in time; it hangs, or a firewall drops its packets";
                }
                yield e.getCause() == null ? said(e) + withoutTls(e) + withPooler(e) : broken(e, e.getCause());
            }
        };
    }

    /**
     * Returns advice to append if a pooler refuses what the driver asks for at a login; otherwise, returns an empty
     * text.
     */
    private static String withPooler(SQLException e) {
        return withoutNull(e.getMessage()).contains("unsupported startup parameter")
                ? "; a pooler such as PgBouncer refuses it: set ignore_startup_parameters=extra_float_digits there, and"
                        + " pool_mode=session"
                : "";
    }

    /**
     * Returns advice to append if the driver's message reports a TLS failure; otherwise, returns an empty text. Only
     * the message identifies such a failure, because TLS failures have no SQL state of their own.
     */
    private static String withoutTls(SQLException e) {
        String message = withoutNull(e.getMessage());
        if (message.contains("could not be verified by hostnameverifier")) {
            return "; TLS failed: name the host in POSTGRES_CONN as its certificate does";
        }
        return message.contains("does not support SSL")
                ? "; sslmode in POSTGRES_CONN asks for TLS, so the server must have ssl=on"
                : "";
    }

    /** Describes the failure of a connection. */
    private String broken(SQLException e, Throwable cause) {
        if (cause instanceof ConnectException) {
            return "can't be reached: " + cause.getMessage();
        }
        if (cause instanceof UnknownHostException) {
            return "can't be reached: the host is unknown";
        }
        if (cause instanceof SocketTimeoutException) {
            return "does not answer within " + limit;
        }
        if (cause instanceof SSLException) {
            return "TLS failed: " + cause.getMessage() + "; check sslmode and sslrootcert in POSTGRES_CONN";
        }
        return (cause instanceof IOException ? "the connection broke: " : "") + said(e) + " ("
                + cause.getClass().getSimpleName() + ")";
    }

    /** Returns the message and the SQLSTATE without the server's details, which may contain values of a row. */
    private static String said(SQLException e) {
        ServerErrorMessage message = e instanceof PSQLException driver ? driver.getServerErrorMessage() : null;
        return message == null
                ? withoutNull(e.getMessage())
                : withoutNull(message.getMessage()) + ", SQLSTATE " + state(e);
    }

    private static String withoutNull(@Nullable String message) {
        return message == null ? "no reason given" : message;
    }
}
