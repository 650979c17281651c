// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A Postgres server in its own temporary directory. Because Postgres refuses to run as root, root starts it as the user
 * nobody. Closing the server removes its processes, files and shared memory, even if it was killed before.
 */
public final class PostgresServer extends ServerProcess {
    /** The password of the superuser {@code postgres}. */
    public static final String PASSWORD = "pg-s3cret";

    private static final String NOBODY = "65534";

    private final List<String> settings;
    private final AtomicInteger databases = new AtomicInteger();
    private @Nullable Path disk;

    private PostgresServer(Path directory, List<String> settings) {
        super(directory);
        this.settings = settings;
    }

    /**
     * Returns the server that all tests of this JVM share if they neither stop nor configure it. It is closed when the
     * JVM exits.
     */
    public static PostgresServer shared() {
        return Shared.SERVER;
    }

    private static final class Shared {
        static final PostgresServer SERVER = start();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(SERVER::close));
        }
    }

    /**
     * Starts a server; a setting is written like {@code max_connections=10}. Logins use MD5, because SCRAM logins took
     * a quarter of the time of tests that connect often.
     */
    public static PostgresServer start(String... settings) {
        return start("md5", List.of(settings));
    }

    /** Starts a server whose logins use SCRAM, the default of Postgres. */
    public static PostgresServer startWithScram() {
        return start("scram-sha-256", List.of());
    }

    private static PostgresServer start(String authentication, List<String> settings) {
        try {
            Path directory = Files.createTempDirectory("flk-postgres");
            PostgresServer server = new PostgresServer(directory, settings);
            server.own(directory);
            Path data =
                    PostgresBinaries.once("data-" + authentication, path -> server.initialize(path, authentication));
            server.run(List.of("cp", "-a", data.toString(), server.data().toString()));
            server.restart();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Makes the data of a new server, which takes longer than copying it. */
    private void initialize(Path data, String authentication) {
        try {
            Path password = Files.writeString(directory.resolve("password"), PASSWORD);
            own(password);
            own(Files.createDirectory(data));
            run(unprivileged(List.of(
                    PostgresBinaries.program("initdb"),
                    "--pgdata=" + data,
                    "--username=postgres",
                    "--pwfile=" + password,
                    "--auth=" + authentication,
                    "--encoding=UTF8",
                    "--no-locale",
                    "--no-sync")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public Map<String, String> configuration() {
        return Map.of("DEDUP_BACKEND", "postgres", "POSTGRES_CONN", uri("postgres"));
    }

    @Override
    public void restart() {
        List<String> command = new ArrayList<>(List.of(PostgresBinaries.program("postgres"), "-D", data().toString()));
        Stream.of(
                        "port=" + port(),
                        "listen_addresses=127.0.0.1",
                        "unix_socket_directories=",
                        "dynamic_shared_memory_type=mmap",
                        "shared_buffers=16MB",
                        "fsync=off")
                .forEach(setting -> command.addAll(List.of("-c", setting)));
        settings.forEach(setting -> command.addAll(List.of("-c", setting)));
        launch(Started.POSTGRES, unprivileged(command));
        awaitReady(this::isReady);
    }

    /** Returns whether the server reports in its file postmaster.pid that it is ready. */
    private boolean isReady() throws IOException {
        Path status = data().resolve("postmaster.pid");
        if (!Files.exists(status)) {
            return false;
        }
        List<String> lines = Files.readAllLines(status);
        return lines.size() >= 8
                && lines.get(0).equals(Long.toString(running().pid()))
                && List.of("ready", "standby").contains(lines.get(7).strip());
    }

    static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    private List<String> unprivileged(List<String> command) {
        List<String> all = new ArrayList<>();
        if (isRoot()) {
            all.addAll(List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups"));
        }
        all.addAll(command);
        return all;
    }

    private void own(Path path) {
        if (isRoot()) {
            run(List.of("chown", "-R", NOBODY + ":" + NOBODY, path.toString()));
        }
    }

    /** Creates an empty database and returns its name. */
    public String newDatabase() {
        String name = "flk_" + databases.incrementAndGet();
        execute("postgres", "CREATE DATABASE " + name);
        return name;
    }

    /** Returns the {@code POSTGRES_CONN} for a database of this server. */
    public String uri(String database) {
        return "postgresql://postgres:" + PASSWORD + "@127.0.0.1:" + port() + "/" + database;
    }

    /** Opens a connection as the user {@code postgres}. */
    public Connection connect(String database) throws SQLException {
        return DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + port() + "/" + database, "postgres", PASSWORD);
    }

    /** Runs statements as the user {@code postgres}. */
    public void execute(String database, String sql) {
        try (Connection connection = connect(database);
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new IllegalStateException(sql, e);
        }
    }

    /** Runs a query and returns the first column of the first row as a number. */
    public long number(String database, String sql) {
        return Long.parseLong(text(database, sql));
    }

    /** Runs a query and returns the first column of the first row. */
    public String text(String database, String sql) {
        try (Connection connection = connect(database);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        } catch (SQLException e) {
            throw new IllegalStateException(sql, e);
        }
    }

    /**
     * Stops the server as an operator does, which closes the connections of its clients. Does nothing if the server is
     * not running.
     */
    public void stop() {
        ProcessHandle parent = running().toHandle();
        if (parent.isAlive()) {
            resume();
            signal("INT", parent);
            awaitEnd(parent);
        }
    }

    /** Restarts the server if it was killed or stopped. */
    public void startUnlessUp() {
        if (!running().isAlive()) {
            restart();
        }
    }

    @Override
    public void restartEmpty() {
        restart();
        execute("postgres", "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }

    /**
     * Stops the server, copies its data and restarts it. The returned action puts the copy back and restarts the
     * server.
     */
    @Override
    public Runnable copy() {
        Path copy = stoppedCopy();
        return () -> {
            putBack(copy);
            restart();
        };
    }

    private Path stoppedCopy() {
        stop();
        Path copy = copyData();
        restart();
        return copy;
    }

    private void putBack(Path copy) {
        stop();
        replaceData(copy);
        own(data());
    }

    /**
     * Stops the server, copies its data and restarts it. The returned action stops the server and promotes the copy,
     * like a standby that lags behind.
     */
    public Runnable laggingStandby() {
        Path copy = stoppedCopy();
        return () -> {
            putBack(copy);
            run(unprivileged(List.of("touch", data().resolve("standby.signal").toString())));
            restart();
            execute("postgres", "SELECT pg_promote()");
        };
    }

    /** Returns whether {@code pg_dump} and {@code pg_restore} are installed. */
    public static boolean hasDump() {
        return isOnPath("pg_dump") && isOnPath("pg_restore");
    }

    private static boolean isOnPath(String program) {
        return Stream.of(System.getenv("PATH").split(":"))
                .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
    }

    /**
     * Dumps a database as docs/postgres.md describes. The returned action replaces the current content of the database
     * with the dump.
     */
    public Runnable dump(String database) {
        Path dump = directory.resolve("dump-" + databases.incrementAndGet());
        run(List.of("pg_dump", "--format=custom", "--file=" + dump, uri(database)));
        return () -> run(List.of("pg_restore", "--clean", "--if-exists", "--dbname=" + uri(database), dump.toString()));
    }

    /**
     * Mounts an empty in-memory file system of this size, owned by the server's user, until the server is closed.
     * Returns the path, where a tablespace can be created; empty if the tests are not allowed to mount.
     */
    public Optional<Path> mountDisk(int mebibytes) {
        if (!isRoot()) {
            return Optional.empty();
        }
        try {
            Path path = Files.createDirectory(directory.resolve("disk"));
            String options = "size=%dm,uid=%s,gid=%s,mode=700".formatted(mebibytes, NOBODY, NOBODY);
            run(List.of("mount", "-t", "tmpfs", "-o", options, "tmpfs", path.toString()));
            disk = path;
            return Optional.of(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (IllegalStateException e) {
            return Optional.empty(); // the tests run in a container without CAP_SYS_ADMIN
        }
    }

    /** Stops the server and removes all its files. */
    @Override
    public void close() {
        startUnlessUp(); // only a restart removes the shared memory of a server that was killed
        stop();
        if (disk != null) {
            run(List.of("umount", disk.toString()));
        }
        DirectoryTree.remove(directory);
    }
}
