// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A folder that belongs to other programs. They may exchange a file or a folder in it for a link or a FIFO at any
 * moment, also between a check and the opening. Therefore, no link out of the folder is followed, and files are opened
 * on threads of their own: opening a FIFO can block forever, even after the FIFO was removed, and Java can't open files
 * with {@code O_NONBLOCK}. A thread that hangs is left behind. For one thread.
 */
public final class ForeignFolder {
    private static final long PATIENCE_MILLIS = 1000;
    private static final int MOST_HANGING = 4;
    private static final ExecutorService THREADS = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "open");
        thread.setDaemon(true);
        return thread;
    });

    private final Path folder;
    /** The openings that hang, by path and inode, so that another file with the path is opened. */
    private final Map<String, Future<FileChannel>> hanging = new HashMap<>();

    public ForeignFolder(Path folder) {
        this.folder = folder;
    }

    /**
     * Returns why a file is not opened; empty if it is a regular file in the folder, or a link to one.
     *
     * @throws NoSuchFileException if the file is missing
     */
    public Optional<String> objection(Path file) throws IOException {
        return objection(file, file.toRealPath());
    }

    private Optional<String> objection(Path file, Path real) throws IOException {
        return real.startsWith(folder.toRealPath())
                ? RegularFile.otherKind(real, LinkOption.NOFOLLOW_LINKS)
                        .map(kind -> file + " is " + kind + ", not a regular file; move it away")
                : Optional.of(file + " leads out of " + folder + " through a link, which is not followed; name the real"
                        + " path instead");
    }

    /**
     * Opens a regular file. Waits at most a second for a file that hangs, and not at all at the next attempts.
     *
     * @param options the options; {@code NOFOLLOW_LINKS} also refuses links within the folder
     */
    public FileChannel open(Path file, OpenOption... options) throws IOException {
        Set<OpenOption> all = new HashSet<>(List.of(options));
        boolean isFollowed = all.add(LinkOption.NOFOLLOW_LINKS);
        Path parent = Objects.requireNonNull(file.toAbsolutePath().getParent());
        Path real = isFollowed ? file.toRealPath() : parent.toRealPath().resolve(file.getFileName());
        Optional<String> objection = objection(file, real);
        if (objection.isPresent()) {
            throw new IOException(objection.get());
        }
        return openChecked(real, all, real + " " + inode(real));
    }

    private static Object inode(Path file) throws IOException {
        try {
            return String.valueOf(Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                    .fileKey());
        } catch (NoSuchFileException e) {
            return "new";
        }
    }

    /** Opens a file that was checked, but may have been exchanged since then. */
    FileChannel openChecked(Path real, Set<OpenOption> options, String seen) throws IOException {
        Future<FileChannel> opening = hanging.remove(seen);
        hanging.values().removeIf(Future::isDone); // the cleaner of a channel that nobody wants closes it
        long patience = opening == null ? PATIENCE_MILLIS : 0;
        if (opening == null && hanging.size() == MOST_HANGING) {
            throw new IOException("opening " + MOST_HANGING + " files of " + folder
                    + " hangs; remove what is not a regular file, and restart this program");
        } else if (opening == null) {
            opening = THREADS.submit(() -> open(folder.toRealPath(), real, options));
        }
        try {
            return opening.get(patience, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            hanging.put(seen, opening);
            throw new IOException("opening " + real + " hangs, perhaps because it was exchanged for a FIFO", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException failed ? failed : new IOException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while opening " + real);
        }
    }

    private static FileChannel open(Path root, Path real, Set<OpenOption> options) throws IOException {
        Path below = root.relativize(real);
        try (DirectoryStream<Path> top = Files.newDirectoryStream(root)) {
            FileChannel channel = top instanceof SecureDirectoryStream<Path> secure
                    ? (FileChannel) open(secure, below, options)
                    : FileChannel.open(real, options);
            try {
                return channel.position(0); // fails for a FIFO that has another end
            } catch (IOException e) {
                channel.close();
                throw new IOException(real + " was exchanged for a FIFO", e);
            }
        }
    }

    /** Opens a file without following a link in its path below a directory. */
    private static SeekableByteChannel open(SecureDirectoryStream<Path> at, Path below, Set<OpenOption> options)
            throws IOException {
        if (below.getNameCount() == 1) {
            return at.newByteChannel(below, options);
        }
        try (SecureDirectoryStream<Path> next = at.newDirectoryStream(below.getName(0), LinkOption.NOFOLLOW_LINKS)) {
            return open(next, below.subpath(1, below.getNameCount()), options);
        }
    }
}
