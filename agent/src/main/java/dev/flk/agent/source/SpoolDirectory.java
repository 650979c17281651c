// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.program.cli.Printable;
import dev.flk.program.files.ForeignFolder;
import dev.flk.program.files.RegularFile;
import dev.flk.program.logging.LineLimit;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A directory in which other programs put certificates: one certificate in each {@code *.json} file, and one
 * certificate on each line of a {@code *.ndjson} file. A producer must write a file under another name and then rename
 * it, so that every file with such an ending is complete. A file is removed only after all of its valid certificates
 * are on disk in the outbox, and all of its rejected certificates, with reasons, are on disk in {@code <file>.error}. A
 * file with a certificate that is too long is renamed instead of removed. If a crash prevents the removal, the file is
 * read again, and the backend answers its certificates as duplicates. Links are not followed: through a link, a
 * producer could make the agent sign or copy a file that the producer must not read. A file that can't be read or
 * removed is logged once and does not delay other files. Owned by one thread.
 */
final class SpoolDirectory {
    private static final Logger LOG = LoggerFactory.getLogger(SpoolDirectory.class);
    /**
     * The maximum number of portions in a step, each with its own fsync. The number is low because a stop waits for the
     * end of a step.
     */
    private static final int PORTIONS = 16;

    private final Path directory;
    private final ForeignFolder folder;
    private final Intake intake;
    private final InstantSource clock;
    private final LineLimit limit;
    /** The files of which a portion is still to be read in the current round. */
    private final ArrayDeque<Path> round = new ArrayDeque<>();
    /** Whether a file that was read in the current round has a further portion, which is added in the next round. */
    private boolean more;

    /** The read positions of the files that were read in part or could not be removed, by the path of the file. */
    private final Map<Path, SpoolFile> begun = new HashMap<>();

    private final Set<String> reported = new HashSet<>();
    private final Set<String> problems = new TreeSet<>();
    /** The reason why the outbox accepts no certificates now; empty while the outbox has room. */
    private Optional<String> full = Optional.empty();

    /**
     * Creates the object for an existing directory. The object compares the modification times of the files with the
     * clock.
     */
    SpoolDirectory(Path directory, Intake intake, InstantSource clock, LineLimit limit) {
        this.limit = limit;
        this.directory = directory;
        this.folder = new ForeignFolder(directory);
        this.intake = intake;
        this.clock = clock;
    }

    /**
     * Adds at most {@link #PORTIONS} portions to the outbox. A round, which may take several steps, adds one portion of
     * each file, in the order of the files' names. Stops when the outbox is full; a later step continues with the same
     * file.
     *
     * @return whether another step can add more immediately
     */
    boolean step() {
        try {
            if (round.isEmpty()) {
                beginRound();
            }
            for (int i = 0; i < PORTIONS && !round.isEmpty(); i++) {
                addPortion(round.element());
            }
            full = Optional.empty();
            return more || !round.isEmpty();
        } catch (OutboxFull e) {
            if (full.isEmpty()) {
                LOG.warn("spool: {}; the files in {} wait", e.getMessage(), directory);
            }
            full = Optional.of("spool: " + e.getMessage() + "; the files in " + directory + " wait");
        } catch (IOException e) {
            report("spool: cannot read " + directory + ": " + reason(e), "");
        }
        return false;
    }

    /**
     * Returns a sentence for each problem that has kept files in the directory since the last round began; empty if
     * there was no such problem.
     */
    List<String> leftBehind() {
        return Stream.concat(problems.stream(), full.stream())
                .map(Printable::of)
                .toList();
    }

    private void beginRound() throws IOException {
        Set<Path> found = new TreeSet<>();
        List<Path> taken = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.{json,ndjson}")) {
            for (Path file : files) {
                if (SpoolFile.isTaken(file)) {
                    taken.add(file);
                } else if (!file.getFileName().toString().startsWith(".")) {
                    found.add(file);
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        begun.keySet().retainAll(found);
        reported.retainAll(problems);
        problems.clear();
        taken.forEach(this::giveBack);
        more = false;
        round.addAll(found);
    }

    private void giveBack(Path taken) {
        try {
            SpoolFile.giveBack(taken);
        } catch (NoSuchFileException e) {
            // ignored: another program has removed the file in the meantime
        } catch (IOException | InvalidPathException e) {
            report(
                    "spool: cannot rename " + taken + ": " + reason(e),
                    "; the file stays in the spool directory and will be retried");
        }
    }

    /**
     * Adds one portion of the first file of the round, and removes the file from the round; the next portion of the
     * file is added in the next round. If the outbox is full, the file remains the first file of the round.
     */
    private void addPortion(Path file) throws OutboxFull {
        try {
            BasicFileAttributes attributes =
                    Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            if (attributes.isSymbolicLink()) {
                throw new IOException(
                        "the file is a link, and links are not followed; replace the link with the file itself");
            }
            if (Outbox.isLock(attributes.fileKey())) {
                throw new IOException("the file is a hard link to the lock of the outbox; remove the link");
            }
            if (attributes.isOther()) {
                RegularFile.requireOrNothing(file, LinkOption.NOFOLLOW_LINKS);
            }
            if (attributes.isRegularFile()) {
                SpoolFile begunFile = begun.get(file);
                if (begunFile == null || !begunFile.is(file)) {
                    begunFile = new SpoolFile(file, folder, attributes, intake, clock, limit);
                    begun.put(file, begunFile);
                }
                switch (begunFile.step()) {
                    case MORE -> more = true; // the file's next portion is added in the next round
                    case DONE -> begun.remove(file);
                    case NOT_YET -> {}
                }
            }
        } catch (OutboxFull e) {
            throw e;
        } catch (NoSuchFileException e) {
            begun.remove(file);
        } catch (IOException | InvalidPathException e) {
            report(
                    "spool: cannot read or remove " + file + ": " + reason(e),
                    "; the file stays in the spool directory and will be retried");
        }
        round.remove();
    }

    /** Logs a problem, unless it was already logged and has occurred in each round since then. */
    private void report(String problem, String outlook) {
        problems.add(problem);
        if (reported.add(problem)) {
            limit.say("problem", leftOut -> LOG.error("{}{}{}", Printable.of(problem), outlook, leftOut));
        }
    }

    /**
     * Returns the reason of a failure as a text that is the same in each round. For a failed rename, the text does not
     * contain the message of the exception, because the message contains the new name, which may have a different UUID
     * in each round.
     */
    private static String reason(Exception e) {
        if (e instanceof InvalidPathException) {
            return "the file's name has characters that the agent's locale can't represent; rename it, or run the"
                    + " agent with LC_ALL=C.UTF-8";
        }
        if (e instanceof FileSystemException failed && failed.getOtherFile() != null) {
            return e.getClass().getSimpleName() + ": " + failed.getReason();
        }
        return e.getClass().getSimpleName() + ": " + e.getMessage();
    }
}
