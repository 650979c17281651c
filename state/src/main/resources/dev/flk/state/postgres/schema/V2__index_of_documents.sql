-- New entries of the index wait in a list, which backends move into the index apart from commits. Above this many kilobytes, and
-- above the 4 MiB of the default, a commit would have to do it.
ALTER INDEX flk_state_newest_documents SET (gin_pending_list_limit = 65536);
