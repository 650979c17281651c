// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import java.io.IOException;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/** What the command {@code health} says about a Postgres server. */
public final class PostgresLook {
    private static final String CLOCK = "clock";

    /**
     * The checks of {@code postgres check} that must succeed for a program to work. The others are advice, except the
     * check of the clock.
     */
    private static final Set<String> NEEDED_POINTS = Set.of("migrations", "writable");

    private PostgresLook() {}

    /**
     * Checks the points of {@code postgres check}.
     *
     * @param program the program with that command
     * @throws IOException if the server can't be reached or refuses the login
     */
    public static void at(
            String subject,
            PostgresConfig server,
            Set<Pool> pools,
            String program,
            InstantSource clock,
            Consumer<Finding> found)
            throws IOException {
        List<PostgresCheck.Finding> points = new PostgresCheck(server, pools, clock).run();
        List<PostgresCheck.Finding> passed = points.stream()
                .filter(point -> point.grade() == PostgresCheck.Grade.BAD)
                .toList();
        found.accept(Finding.good(
                subject,
                server.server() + " answers; " + (points.size() - passed.size()) + " of "
                        + ErrorMessages.count(points.size(), "point") + " of " + program
                        + " postgres check are within their limits"));
        for (PostgresCheck.Finding point : passed) {
            boolean isClock = point.point().equals(CLOCK);
            found.accept(new Finding(
                    isClock || NEEDED_POINTS.contains(point.point()) ? Grade.BAD : Grade.DOUBTFUL,
                    isClock ? CLOCK : subject,
                    (isClock ? "" : point.point() + ": ") + point.measured() + "; " + point.advice()));
        }
    }

    /** Checks the server of the durable copy of sessions, as {@link #at} does. */
    public static void atSessions(
            String subject, PostgresConfig server, String program, InstantSource clock, Consumer<Finding> found)
            throws IOException {
        try {
            at(subject, server, Set.of(Pool.SESSIONS), program, clock, found);
        } catch (IOException e) {
            String message = String.valueOf(e.getMessage());
            throw new IOException(message.replace("POSTGRES_CONN", "SESSION_DATABASE_URL"), e);
        }
    }
}
