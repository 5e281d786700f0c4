// Whether a daemon is asked, or somebody who shows the database that daemons fill: there nothing can be followed as it comes.

/** The page says so in its frame. */
export const isView = document.getElementById("viewed") !== null;
