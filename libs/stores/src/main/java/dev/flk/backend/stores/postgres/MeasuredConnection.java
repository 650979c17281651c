// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PoolMetrics.Kind;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A wrapper of a connection or statement that records the time of each execution and each commit. */
final class MeasuredConnection implements InvocationHandler {
    private static final String TOOK_TOO_LONG = "57014";
    /**
     * A pattern that finds the verb of a statement. In a WITH statement that inserts or deletes rows, the pattern finds
     * the first INSERT or DELETE.
     */
    private static final Pattern VERB =
            Pattern.compile("^\\s*(?:WITH\\b.*?\\b(INSERT INTO|DELETE FROM)\\b|(\\w+))", Pattern.DOTALL);

    private static final Map<String, Kind> KINDS = Map.of(
            "SELECT", Kind.SELECT,
            "WITH", Kind.SELECT,
            "INSERT", Kind.INSERT,
            "UPDATE", Kind.UPDATE,
            "DELETE", Kind.DELETE,
            "COMMIT", Kind.COMMIT);

    private final Object measured;
    private final Kind prepared;
    private final PoolMetrics.Observer observer;

    private MeasuredConnection(Object measured, Kind prepared, PoolMetrics.Observer observer) {
        this.measured = measured;
        this.prepared = prepared;
        this.observer = observer;
    }

    /** Returns a wrapper of a connection that reports the connection's statements and commits to the observer. */
    static Connection of(Connection connection, PoolMetrics.Observer observer) {
        return proxy(Connection.class, connection, Kind.OTHER, observer);
    }

    private static <T> T proxy(Class<T> type, T measured, Kind kind, PoolMetrics.Observer observer) {
        return type.cast(Proxy.newProxyInstance(
                MeasuredConnection.class.getClassLoader(),
                new Class<?>[] {type},
                new MeasuredConnection(measured, kind, observer)));
    }

    static Kind kind(String sql) {
        Matcher verb = VERB.matcher(sql);
        if (!verb.find()) {
            return Kind.OTHER;
        }
        String word = verb.group(1) == null ? verb.group(2) : verb.group(1).split(" ", 2)[0];
        return KINDS.getOrDefault(word.toUpperCase(Locale.ROOT), Kind.OTHER);
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        boolean isGivenSql = arguments != null && arguments.length > 0 && arguments[0] instanceof String;
        String name = method.getName();
        if (name.startsWith("execute")) {
            return timed(isGivenSql ? kind((String) arguments[0]) : prepared, method, arguments);
        }
        if (name.equals("commit")) {
            return timed(Kind.COMMIT, method, arguments);
        }
        Object result = call(method, arguments);
        if (result instanceof PreparedStatement statement && isGivenSql) {
            return proxy(PreparedStatement.class, statement, kind((String) arguments[0]), observer);
        }
        return name.equals("createStatement")
                ? proxy(Statement.class, (Statement) result, Kind.OTHER, observer)
                : result;
    }

    private Object timed(Kind kind, Method method, Object[] arguments) throws Throwable {
        long beganNanos = System.nanoTime();
        try {
            return call(method, arguments);
        } catch (SQLException e) {
            if (TOOK_TOO_LONG.equals(e.getSQLState())) {
                observer.statementTimedOut();
            }
            throw e;
        } finally {
            observer.executed(kind, System.nanoTime() - beganNanos);
        }
    }

    private Object call(Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(measured, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
