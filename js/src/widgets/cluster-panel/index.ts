import { defineView } from "../../shared/view.tsx";
import { ClusterPanel } from "./view.tsx";

export default defineView("cluster-panel", ClusterPanel);
