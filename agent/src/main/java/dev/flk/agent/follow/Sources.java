// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.follow.FollowedSource.Surroundings;
import dev.flk.agent.follow.Positions.Sink;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * The sources of an agent, whose files are read in turns. The positions of all files are stored in the file {@code
 * positions} of a directory, and the lines of a source that are not certified in {@code NAME.bad}. For one thread.
 */
public final class Sources implements Closeable {
    private final Path directory;
    private final Positions positions;
    private final Surroundings surroundings;
    private List<FollowedSource> sources = List.of();

    private Sources(
            Path directory,
            Positions positions,
            InstantSource clock,
            LongSupplier nanoTicker,
            Consumer<Sources> afterTurn) {
        this.directory = directory;
        this.positions = positions;
        this.surroundings = new Surroundings(
                clock, nanoTicker, LineLimit.ofOutages(nanoTicker), new Totals(), () -> afterTurn.accept(this));
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
        Files.createDirectories(directory);
        return new Sources(directory, Positions.read(directory.resolve("positions")), clock, nanoTicker, afterTurn);
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
        for (FollowedSource source : sources) {
            hasMore |= source.round(sink);
        }
        positions.write();
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
