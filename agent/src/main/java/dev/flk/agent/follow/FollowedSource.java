// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.follow.CompleteCsv.Changed;
import dev.flk.agent.follow.Globs.Found;
import dev.flk.agent.follow.LeftOutLines.BadLinesFull;
import dev.flk.agent.follow.Positions.Sink;
import dev.flk.agent.follow.Positions.Unstored;
import dev.flk.agent.follow.SourceFile.Counts;
import dev.flk.program.files.ForeignFolder;
import dev.flk.program.logging.LineLimit;
import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One source: its files, which are searched regularly, and its problems. A file that can't be read does not delay the
 * others. For one thread.
 */
final class FollowedSource implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(FollowedSource.class);
    private static final long FIND_EVERY_NANOS = 10_000_000_000L;
    /** The number of searches without a file after which it is closed. */
    private static final int MOST_MISSED = 60;

    /** The character that stands for bytes of a name that the locale can't decode. */
    private static final char UNREADABLE = '\uFFFD';

    /** The key of the problem of the search, which is no path. */
    private static final Path SEARCH = Path.of("");

    private final Source source;
    private final Path badLines;
    private @Nullable ForeignFolder folder;
    private final Positions positions;
    private final Surroundings surroundings;
    private final Map<Path, SourceFile> files = new TreeMap<>();
    /** The number of searches that did not find a file. */
    private final Map<Path, Integer> missed = new HashMap<>();
    /** The attributes of files that are not read until these change. */
    private final Map<Path, String> refused = new HashMap<>();
    /** The problems of files and of the search. */
    private final Map<Path, String> problems = new TreeMap<>();

    private final LongAdder badLinesCount = new LongAdder();
    private Counts ended = Counts.NONE;
    private @Nullable String stoppedBecause;
    private long lastFindNanos;
    private boolean isFound;

    /**
     * The environment of all sources.
     *
     * @param lines receives a line about each window, for a terminal
     * @param wording the words for users of a message that names options of {@code certify}
     */
    record Surroundings(
            InstantSource clock,
            LongSupplier nanoTicker,
            LineLimit limit,
            Totals totals,
            Runnable afterTurn,
            Consumer<String> lines,
            UnaryOperator<String> wording) {}

    /** @param badLines the file that keeps the lines that are not certified */
    FollowedSource(Source source, Path badLines, Positions positions, Surroundings surroundings) {
        this.source = source;
        this.badLines = badLines;
        this.positions = positions;
        this.surroundings = surroundings;
    }

    Source source() {
        return source;
    }

    /** Returns whether a complete file waits until it has not changed for some time. */
    boolean isWaiting() {
        return source.isComplete() && files.keySet().stream().anyMatch(path -> !problems.containsKey(path));
    }

    boolean isStopped() {
        return stoppedBecause != null;
    }

    /** Searches the files, unless they were searched less than ten seconds ago. */
    void search() {
        if (!isFound || surroundings.nanoTicker().getAsLong() - lastFindNanos >= FIND_EVERY_NANOS) {
            guarded(() -> {
                find();
                return false;
            });
            isFound = true;
            lastFindNanos = surroundings.nanoTicker().getAsLong();
        }
    }

    /** Gives each file a turn. Returns whether another round would read more at once. */
    boolean round(Sink sink) {
        return guarded(() -> turns(sink));
    }

    /** Takes a step unless this source is stopped. An unexpected error stops this source only. */
    private boolean guarded(BooleanSupplier step) {
        try {
            return !isStopped() && step.getAsBoolean();
        } catch (CancellationException e) {
            throw e;
        } catch (RuntimeException e) {
            LOG.error("source {}: unexpected error", source.name(), e);
            stop("unexpected error: " + e);
            return false;
        }
    }

    private boolean turns(Sink sink) {
        boolean hasMore = false;
        for (Path path : List.copyOf(files.keySet())) {
            boolean mayContinue = turn(path, sink);
            surroundings.afterTurn().run();
            hasMore |= mayContinue;
            if (isStopped() || sink.isClosed() || (mayContinue && source.isComplete())) {
                break; // complete files are read one after the other
            }
        }
        return hasMore;
    }

    private boolean turn(Path path, Sink sink) {
        SourceFile file = files.get(path);
        if (file == null) {
            return false;
        }
        try {
            boolean hasMore = advance(path, file, sink);
            solved(path);
            if (file instanceof CompleteCsv complete && complete.isDone()) {
                end(path, file);
                return !files.isEmpty();
            }
            return hasMore && !isStopped();
        } catch (BadLinesFull e) {
            stop(String.valueOf(e.getMessage()));
        } catch (MalformedCsv e) {
            problem(path, path + ": " + surroundings.wording().apply(String.valueOf(e.getMessage())));
            refused.put(path, attributes(path));
            end(path, file);
        } catch (IOException e) {
            problem(path, "can't read " + path + ": " + cause(e));
            if (e instanceof Changed) {
                refused.put(path, attributes(path));
            }
            if (file instanceof CompleteCsv || e instanceof Unstored) {
                end(path, file); // the next search opens it again, after what is certified
            }
        }
        return false;
    }

    private boolean advance(Path path, SourceFile file, Sink sink) throws IOException, MalformedCsv {
        Counts before = file.counts();
        try {
            return positions.advance(key(path), file, sink);
        } finally {
            surroundings.totals().replace(before, file.counts()).ifPresent(this::stop);
        }
    }

    private void end(Path path, SourceFile file) {
        if (files.remove(path) == null) {
            return;
        }
        Counts counts = file.counts();
        ended = ended.plus(new Counts(0, counts.rows(), 0, counts.windows()));
        surroundings.totals().remove(counts);
        try {
            file.close();
        } catch (IOException e) {
            problem(path, "can't close " + path + ": " + cause(e));
        }
    }

    private String key(Path path) {
        return Positions.key(source.name(), path);
    }

    private void find() {
        Set<Path> found = new HashSet<>();
        try {
            Set<Path> known = known();
            Found matching = Globs.find(source.files(), known);
            Found all = source.isComplete() ? matching : matching.growing(known);
            folder = folder == null ? new ForeignFolder(Globs.folder(source.files())) : folder;
            List<Path> named =
                    all.files().stream().filter(this::hasReadableName).toList();
            found.addAll(named);
            for (Path path : named) {
                if (!files.containsKey(path)) {
                    open(path, folder);
                }
            }
            found.addAll(all.leftOut().keySet());
            all.leftOut().forEach(this::problem);
            all.files().stream().filter(path -> !hasReadableName(path)).forEach(path -> {
                found.add(path);
                problem(
                        path,
                        path + " has a name that is not text in the encoding of the locale; rename it, or set"
                                + " LC_ALL=C.UTF-8");
            });
            if (all.isCut()) {
                problem(
                        SEARCH,
                        source.files() + " matches more than " + all.files().size()
                                + " files, of which the others are not read; move finished files away, or divide the source");
            } else if (all.unread().isPresent()) {
                problem(
                        SEARCH,
                        "can't search " + source.files() + ": "
                                + cause(all.unread().get()));
            } else if (all.files().isEmpty() && all.leftOut().isEmpty() && !source.isComplete()) {
                problem(SEARCH, source.files() + " matches no file");
            } else {
                solved(SEARCH);
            }
        } catch (IOException e) {
            problem(SEARCH, "can't search " + source.files() + ": " + cause(e));
            return;
        }
        positions.found(source.name(), found.stream().map(this::key).collect(Collectors.toSet()));
        for (Path path : List.copyOf(files.keySet())) {
            int searches = found.contains(path) ? 0 : missed.getOrDefault(path, 0) + 1;
            missed.put(path, searches);
            if (searches >= MOST_MISSED) {
                SourceFile gone = files.get(path);
                missed.remove(path);
                if (gone != null) {
                    LOG.warn(
                            "source {}: {} is gone; {} of its rows were in windows that are not complete",
                            source.name(),
                            path,
                            gone.counts().openRows());
                    end(path, gone);
                }
            }
        }
        problems.keySet().removeIf(path -> !path.equals(SEARCH) && !found.contains(path) && !files.containsKey(path));
        refused.keySet().retainAll(found);
    }

    /** Returns whether the name is the one of one file only: unreadable bytes are all shown as the same character. */
    private boolean hasReadableName(Path path) {
        return path.toString().indexOf(UNREADABLE) < 0;
    }

    /** Returns the files that are read, or were. */
    private Set<Path> known() {
        Set<Path> known = new HashSet<>(files.keySet());
        String prefix = key(SEARCH);
        positions.keys().stream()
                .filter(key -> key.startsWith(prefix))
                .forEach(key -> known.add(Path.of(key.substring(prefix.length()))));
        return known;
    }

    private void open(Path path, ForeignFolder folder) {
        try {
            Optional<Position> stored = positions.find(key(path));
            if (attributes(path).equals(refused.get(path))) {
                return;
            }
            if (source.isComplete() && stored.isPresent() && CompleteCsv.isDone(path, stored.get())) {
                solved(path);
                return;
            }
            Optional<String> full = surroundings.totals().full(files.size());
            if (full.isPresent()) {
                problem(path, path + " is not read: " + full.get());
                return;
            }
            Certifier certifier = new Certifier(source.shard().ids(path), surroundings.lines(), source.mayRest());
            if (!source.isComplete() && isGzip(path, folder)) {
                throw new IllegalArgumentException("is compressed; only a source with complete: true reads such files");
            }
            SourceFile file = source.isComplete()
                    ? new CompleteCsv(path, folder, source, certifier, stored, surroundings.clock())
                    : new FollowedCsv(
                            path,
                            folder,
                            source,
                            certifier,
                            stored,
                            positions::isFound,
                            new LeftOutLines(path, badLines, badLinesCount, surroundings.limit()));
            files.put(path, file);
            surroundings.totals().add(file.counts());
        } catch (IOException e) {
            problem(
                    path,
                    surroundings
                            .wording()
                            .apply(cause(e))); // a permission or a disk may be repaired without a change of the file
        } catch (IllegalArgumentException e) {
            problem(path, path + ": " + e.getMessage());
            refused.put(path, attributes(path));
        }
    }

    private static boolean isGzip(Path path, ForeignFolder folder) throws IOException {
        try (InputStream in = new BufferedInputStream(Channels.newInputStream(folder.open(path)))) {
            return CsvFormat.isGzip(in);
        }
    }

    /** Returns the attributes of a file that change with its content; empty if the file is missing. */
    private static String attributes(Path path) {
        try {
            BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
            return found.fileKey() + " " + found.size() + " " + found.lastModifiedTime();
        } catch (IOException e) {
            return "";
        }
    }

    private static String cause(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "there is no " + e.getMessage();
        }
        if (e instanceof AccessDeniedException) {
            return "permission denied: " + e.getMessage();
        }
        return e instanceof NotDirectoryException
                ? e.getMessage() + " is not a directory"
                : e.getClass() == IOException.class
                        ? String.valueOf(e.getMessage())
                        : e.getClass().getSimpleName() + ": " + e.getMessage();
    }

    /** Stops the source until it is configured again. */
    void stop(String why) {
        stoppedBecause = "stopped: " + why;
        LOG.error("source {}: {}", source.name(), stoppedBecause);
        close();
    }

    private void problem(Path of, String what) {
        if (!what.equals(problems.put(of, what))) {
            surroundings
                    .limit()
                    .say("source " + source.name(), more -> LOG.warn("source {}: {}{}", source.name(), what, more));
        }
    }

    private void solved(Path of) {
        if (problems.remove(of) != null) {
            LOG.info("source {}: {} is read again", source.name(), of.equals(SEARCH) ? source.files() : of);
        }
    }

    SourceState state() {
        Counts counts = files.values().stream().map(SourceFile::counts).reduce(ended, Counts::plus);
        Optional<String> problem = Optional.ofNullable(stoppedBecause)
                .or(() -> problems.values().stream()
                        .findFirst()
                        .map(first -> first
                                + (problems.size() == 1 ? "" : ", and " + (problems.size() - 1) + " more problems")));
        return new SourceState(
                source.name(),
                files.size(),
                counts.shards(),
                counts.rows(),
                counts.openRows(),
                counts.windows(),
                badLinesCount.sum(),
                problem.orElse(null));
    }

    @Override
    public void close() {
        Map.copyOf(files).forEach(this::end);
    }
}
