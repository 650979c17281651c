// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Changes a keys file: one command at a time, under a lock beside the file, and with one rename, so that whoever reads meets the old text or the
 * new one. A new file can be read by its owner alone; one that was there keeps its owner and group, who may still read it.
 */
public final class KeysEditor {
    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /** Root's commands write where a lesser account may: a link that it puts there would lead them to any file. */
    private static final LinkOption NO_LINKS = LinkOption.NOFOLLOW_LINKS;

    private final Path file;

    /** @param file that need not be there yet; its directory is */
    public KeysEditor(Path file) throws IOException {
        if (Files.isSymbolicLink(file)) {
            throw new IOException(file + " is a link, which a change would replace; name the file itself");
        }
        this.file = file.toAbsolutePath();
    }

    /** What becomes of the keys. */
    @FunctionalInterface
    public interface Change {
        /** All keys as they are to be from now on; they were {@code keys}. */
        List<KeyEntry> of(List<KeyEntry> keys) throws IOException;
    }

    /**
     * Changes the file, or makes it.
     *
     * @throws InvalidKeysException with all that is wrong with the file as it is, or as it would be; it is then left alone
     */
    public void edit(Change change) throws IOException, InvalidKeysException {
        Path lockFile = file.resolveSibling(file.getFileName() + ".lock");
        try (FileChannel channel = FileChannel.open(
                lockFile, Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, NO_LINKS), OWNER_ONLY)) {
            FileLock unused = channel.lock(); // until the channel is closed
            List<KeyEntry> before =
                    Files.exists(file) ? KeysFile.read(file, null).entries() : List.of();
            List<KeyEntry> after = change.of(new ArrayList<>(before));
            Path written = file.resolveSibling(file.getFileName() + ".new");
            Files.deleteIfExists(written);
            try {
                write(written, KeysJson.write(after));
                keepReaders(written);
                KeysFile checked = KeysFile.read(written, null);
                if (!checked.entries().equals(after)) {
                    throw new IllegalStateException("what was written reads otherwise");
                }
                Files.move(written, file, StandardCopyOption.ATOMIC_MOVE);
                forceDirectory();
            } finally {
                Files.deleteIfExists(written);
            }
        }
    }

    /**
     * Writes the secret of a key beside the keys file, for those who may read that; on disk when it returns.
     *
     * @throws FileAlreadyExistsException if it is there
     */
    public void writeSecret(Path secret, String text) throws IOException {
        writePrivate(secret, text);
        keepReaders(secret);
    }

    /**
     * Writes a new file that its owner alone can read; on disk when it returns.
     *
     * @throws FileAlreadyExistsException if it is there
     */
    public void writePrivate(Path target, String text) throws IOException {
        write(target, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Where the secret of a key stands whose file has this name. */
    public Path besideKeys(String name) {
        return KeysFile.directory(file).resolve(name);
    }

    private void write(Path target, byte[] text) throws IOException {
        try (FileChannel channel =
                FileChannel.open(target, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OWNER_ONLY)) {
            ByteBuffer rest = ByteBuffer.wrap(text);
            while (rest.hasRemaining()) {
                channel.write(rest);
            }
            channel.force(true);
        }
    }

    /** Whoever could read the old file reads the new one, but for strangers; root may so look after the file of the backend's account. */
    private void keepReaders(Path target) throws IOException {
        boolean isThere = Files.exists(file);
        PosixFileAttributes wanted =
                Files.readAttributes(isThere ? file : KeysFile.directory(file), PosixFileAttributes.class);
        PosixFileAttributes has = Files.readAttributes(target, PosixFileAttributes.class, NO_LINKS);
        PosixFileAttributeView view = Files.getFileAttributeView(target, PosixFileAttributeView.class, NO_LINKS);
        if (!has.owner().equals(wanted.owner())) {
            view.setOwner(wanted.owner());
        }
        if (!has.group().equals(wanted.group()) && (isThere || !has.owner().equals(wanted.owner()))) {
            view.setGroup(wanted.group());
        }
        if (isThere && wanted.permissions().contains(PosixFilePermission.GROUP_READ)) {
            view.setPermissions(PosixFilePermissions.fromString("rw-r-----"));
        }
    }

    private void forceDirectory() throws IOException {
        try (FileChannel directory = FileChannel.open(KeysFile.directory(file), StandardOpenOption.READ)) {
            directory.force(true);
        }
    }

    /** Whether a text may be a key's id. */
    public static boolean isId(String text) {
        return KeysJson.isId(text);
    }
}
