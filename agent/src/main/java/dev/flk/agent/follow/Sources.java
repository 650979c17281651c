// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.follow.FollowedSource.Surroundings;
import dev.flk.agent.follow.Positions.Sink;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;

/**
 * The sources of an agent, whose files are read in turns. The positions of all files are stored in the file {@code
 * positions} of a directory, and the lines of a source that are not certified in {@code NAME.bad}. For one thread.
 */
public final class Sources implements Closeable {
    private static final int HASH_CHARS = 8;

    private final Path directory;
    private final Positions positions;
    private final Surroundings surroundings;
    private List<FollowedSource> sources = List.of();

    private Sources(
            Path directory,
            Positions positions,
            InstantSource clock,
            LongSupplier nanoTicker,
            Consumer<Sources> afterTurn,
            Consumer<String> lines,
            UnaryOperator<String> wording) {
        this.directory = directory;
        this.positions = positions;
        this.surroundings = new Surroundings(
                clock,
                nanoTicker,
                LineLimit.ofOutages(nanoTicker),
                new Totals(),
                () -> afterTurn.accept(this),
                lines,
                wording);
    }

    /**
     * Opens the directory, and creates it if it is missing. There are no sources before {@link #use}.
     *
     * @param afterTurn an action after the turn of each file
     * @throws IOException if the positions can't be read; the message says what to do
     */
    public static Sources open(
            Path directory, InstantSource clock, LongSupplier nanoTicker, Consumer<Sources> afterTurn)
            throws IOException {
        return open(directory, clock, nanoTicker, afterTurn, line -> {}, SourceMembers::inFile);
    }

    private static Sources open(
            Path directory,
            InstantSource clock,
            LongSupplier nanoTicker,
            Consumer<Sources> afterTurn,
            Consumer<String> lines,
            UnaryOperator<String> wording)
            throws IOException {
        Files.createDirectories(directory);
        return new Sources(
                directory,
                Positions.read(directory.resolve("positions")),
                clock,
                nanoTicker,
                afterTurn,
                lines,
                wording);
    }

    /**
     * Opens the only source of a command, with one file. Its problems name options instead of members. Takes over the
     * position that version 0.1 stored next to the file.
     *
     * @param all the directory in which each file has one of its own
     * @param lines receives a line about each window, for a terminal
     */
    public static Sources ofCommand(Path all, Source source, Path csv, Consumer<String> lines) throws IOException {
        String hash = RotatedCsv.digest(csv.toString().getBytes(StandardCharsets.UTF_8));
        Path directory = all.resolve(csv.getFileName() + "-" + hash.substring(0, HASH_CHARS));
        Sources opened = open(
                directory,
                InstantSource.system(),
                System::nanoTime,
                each -> {},
                lines,
                text -> text.replace("give the source another name", "remove " + directory));
        opened.positions.takeOver(
                csv.resolveSibling(csv.getFileName() + ".certified"), Positions.key(source.name(), csv));
        opened.use(List.of(source));
        return opened;
    }

    /** Replaces the sources. Those that did not change and did not stop continue. */
    public void use(List<Source> next) {
        List<FollowedSource> used = new ArrayList<>();
        List<FollowedSource> before = new ArrayList<>(sources);
        for (Source source : next) {
            FollowedSource same = before.stream()
                    .filter(each -> each.source().equals(source) && !each.isStopped())
                    .findFirst()
                    .orElseGet(() -> new FollowedSource(
                            source, directory.resolve(source.name() + ".bad"), positions, surroundings));
            before.remove(same);
            used.add(same);
        }
        before.forEach(FollowedSource::close);
        surroundings.totals().share(used.size());
        sources = List.copyOf(used);
    }

    /**
     * Gives each file of each source a turn. Returns whether another round would read more at once.
     *
     * @throws IOException if the positions can't be stored; the certificates are then made again after a restart
     */
    public boolean round(Sink sink) throws IOException {
        boolean hasMore = false;
        sources.forEach(FollowedSource::search); // a file that one of them names is no rotated file of another
        for (FollowedSource source : sources) {
            hasMore |= source.round(sink);
            positions.write();
        }
        return hasMore;
    }

    /** Returns whether a complete file waits until it has not changed for some time. */
    public boolean isWaiting() {
        return sources.stream().anyMatch(FollowedSource::isWaiting);
    }

    /** Returns the states of the sources. */
    public List<SourceState> states() {
        return sources.stream().map(FollowedSource::state).toList();
    }

    /**
     * Closes all files. Their positions were stored by the last {@link #round}, unless it was interrupted; certificates
     * are then made again with the same {@code pcs_id}.
     */
    @Override
    public void close() {
        sources.forEach(FollowedSource::close);
    }
}
