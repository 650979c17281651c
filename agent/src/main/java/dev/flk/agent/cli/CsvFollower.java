// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvFormat;
import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.FollowedRows;
import dev.flk.agent.certify.FollowedRows.Progress;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.follow.FollowedFile;
import dev.flk.agent.follow.LeftOutLines;
import dev.flk.agent.follow.Position;
import dev.flk.agent.follow.RotatedCsv;
import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.source.Intake;
import dev.flk.canonical.Sha256;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The follower of a CSV that grows and is rotated. It adds a certificate to the outbox for every complete window. The
 * position before the first row that is not certified is stored in a file next to the CSV, and a restart continues
 * there. If a crash comes before the position is on disk, the last certificates are added again with the same {@code
 * pcs_id}, and the backend records each of them once. Following ends when {@link #stop} is called.
 */
final class CsvFollower {
    private static final Logger LOG = LoggerFactory.getLogger(CsvFollower.class);
    private static final long LOOK_EVERY_MILLIS = 500;

    private final AgentConfig config;
    private final Path csv;
    private final Context context;
    private final BooleanSupplier looks;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private String options = "";
    /** The number of windows whose certificates were added to the outbox, in this run and in earlier runs. */
    private long certified;

    private boolean isAdded;
    /** The positions at the ends of the files that were left, by their numbers, while they may have open windows. */
    private final NavigableMap<Long, Position> left = new TreeMap<>();

    CsvFollower(AgentConfig config, Path csv, Context context) {
        this.config = config;
        this.csv = csv;
        this.context = context;
        this.looks = this::isStopped;
    }

    /**
     * Creates a follower for tests.
     *
     * @param looks waits until the files are looked at again; returns whether following was stopped
     */
    CsvFollower(AgentConfig config, Path csv, Context context, BooleanSupplier looks) {
        this.config = config;
        this.csv = csv;
        this.context = context;
        this.looks = looks;
    }

    /**
     * Certifies windows until {@link #stop} is called. Returns the number of windows whose certificates were added to
     * the outbox, in this run and in earlier runs.
     */
    long run(Certifier certifier, Columns columns, CsvFormat format, Windows windows) throws IOException, MalformedCsv {
        options = digest((certifier.shardIds() + " " + windows
                        + columns.shard().map(shard -> " by " + shard).orElse(""))
                .getBytes(StandardCharsets.UTF_8));
        Runtime.getRuntime().addShutdownHook(new Thread(this::end, "shutdown"));
        try {
            FollowedRows rows =
                    new FollowedRows(certifier, columns, format, windows, this::take, new LeftOutLines(csv));
            follow(rows, new RotatedCsv(csv, rows, looks));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } finally {
            ended.countDown();
        }
        return certified;
    }

    private void follow(FollowedRows rows, RotatedCsv files) throws IOException, MalformedCsv {
        Optional<Position> before = Position.read(csv);
        if (before.isEmpty()) {
            follow(files.open(), rows, files);
            return;
        }
        Position position = before.get();
        if (!position.options().equals(options)) {
            throw new IOException("windows of " + csv + " were certified with other shards or windows; use the same"
                    + " ones, or remove " + Position.file(csv) + " to certify all of " + csv + " again");
        }
        certified = position.windows();
        Optional<FollowedFile> found = files.find(position);
        rows.resume(position.progress(), found.isPresent());
        follow(found.isPresent() ? found.get() : files.after(position), rows, files);
    }

    private void follow(@Nullable FollowedFile first, FollowedRows rows, RotatedCsv files)
            throws IOException, MalformedCsv {
        FollowedFile file = first;
        try {
            while (file != null) {
                try (FollowedFile open = file) {
                    read(open, rows, files);
                    file = open.next();
                }
            }
        } finally {
            report(files, rows.rows(), rows.lastTime(), rows, "");
        }
    }

    private void read(FollowedFile file, FollowedRows rows, RotatedCsv files) throws IOException, MalformedCsv {
        long rowsBefore = rows.rows();
        double timeBefore = rows.lastTime();
        rows.read(file, () -> {
            boolean isFirst = rows.rows() == rowsBefore + 1;
            if (isFirst) {
                String before = "before row 1" + time(rows.lastTime(), rows) + " of the next file ";
                report(files, rowsBefore, timeBefore, rows, before);
            }
            if (isAdded || isFirst) {
                keep(file, rows);
            }
        });
        if (rows.rows() > rowsBefore) {
            left.put(rows.file(), Position.in(file, options, rows.progress()));
        }
    }

    /** Reports the rows that may be missing before a file, each once. */
    private void report(RotatedCsv files, long rowsBefore, double timeBefore, FollowedRows now, String before) {
        String after = rowsBefore == 0 ? "" : "after row " + rowsBefore + time(timeBefore, now) + " ";
        String and = after.isEmpty() || before.isEmpty() ? "" : "and ";
        for (String why : files.takeLosses()) {
            LOG.error("{}: rows {}{}{}are not certified, if there were any: {}", csv, after, and, before, why);
        }
    }

    private static String time(double seconds, FollowedRows rows) {
        return rows.hasTimes() && Double.isFinite(seconds)
                ? " (" + Instant.ofEpochMilli(Math.round(seconds * 1_000)) + ")"
                : "";
    }

    private static String digest(byte[] bytes) {
        return HexFormat.of().formatHex(Sha256.of(bytes));
    }

    private void take(byte[] certificate) {
        try {
            add(certificate);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        certified++;
        isAdded = true;
    }

    /** Stores the position, which is in an earlier file while an open window began there. */
    private void keep(FollowedFile file, FollowedRows rows) throws IOException {
        Progress progress = rows.progress();
        left.headMap(progress.file()).clear();
        Position earlier = left.get(progress.file());
        (earlier == null ? Position.in(file, options, progress) : earlier.with(progress)).write(csv);
        isAdded = false;
    }

    /** Adds a certificate; waits while the outbox is full. */
    private void add(byte[] certificate) throws IOException {
        boolean reported = false;
        while (true) {
            try {
                OutboxAccess.either(
                        config,
                        outbox -> add(new Intake(outbox), certificate),
                        agent -> add(new Intake(agent), certificate));
                return;
            } catch (OutboxFull e) {
                if (!reported) {
                    context.complain(e.getMessage() + "; waiting");
                    reported = true;
                }
                if (isStopped()) {
                    throw e;
                }
            }
        }
    }

    /**
     * Waits at most half a second for a call of {@link #stop}, and returns whether {@link #stop} was called. If not,
     * the caller looks at the file or the outbox again.
     */
    private boolean isStopped() {
        try {
            return stop.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private static boolean add(Intake intake, byte[] certificate) throws IOException {
        intake.add(List.of(certificate));
        return true;
    }

    /**
     * Requests the end of following. The follower still adds the certificates of all windows that are complete in the
     * file, and then ends. It ends earlier if the outbox is full. Does not block. Any thread.
     */
    void stop() {
        stop.countDown();
    }

    private void end() {
        stop();
        try {
            if (!ended.await(9, TimeUnit.SECONDS)) {
                context.complain("following did not end within 9 s, perhaps because a disk hangs;"
                        + " exiting without waiting any longer");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
